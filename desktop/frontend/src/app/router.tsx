// Addresses of the page. A few lines of history API are all that four pages need;
// what a person searches for never gets into an address.
import { useCallback, useEffect, useMemo, useState, useSyncExternalStore, type AnchorHTMLAttributes, type MouseEvent } from 'react'

export type Route =
  | { page: 'list'; collection: string }
  | { page: 'new'; collection: string }
  | { page: 'record'; collection: string; id: string; editing: boolean }
  | { page: 'kpi' }
  | { page: 'inbox' }
  | { page: 'stick' }
  | { page: 'demo' }
  | { page: 'home' }
  | { page: 'unknown' }

export const paths = {
  home: '/',
  kpi: '/kpi',
  inbox: '/inbox',
  stick: '/stick',
  demo: '/demo',
  list: (collection: string) => `/c/${encodeURIComponent(collection)}`,
  new: (collection: string) => `/c/${encodeURIComponent(collection)}/new`,
  record: (collection: string, id: string) => `/c/${encodeURIComponent(collection)}/r/${encodeURIComponent(id)}`,
  edit: (collection: string, id: string) => `${paths.record(collection, id)}/edit`,
}

export function parsePath(pathname: string): Route {
  const [first, collection, action, id, mode, ...rest] = pathname.split('/').filter(Boolean).map(decode)
  if (first === undefined) return { page: 'home' }
  if (collection === undefined && (first === 'kpi' || first === 'inbox' || first === 'stick' || first === 'demo')) return { page: first }
  if (first !== 'c' || collection === undefined || rest.length > 0) return { page: 'unknown' }
  if (action === undefined) return { page: 'list', collection }
  if (action === 'new' && id === undefined) return { page: 'new', collection }
  if (action !== 'r' || id === undefined || (mode !== undefined && mode !== 'edit')) return { page: 'unknown' }
  return { page: 'record', collection, id, editing: mode === 'edit' }
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

/** Asked before the page is left; calls `leave` if and when the person agrees. */
type Guard = (leave: () => void) => void

let guard: Guard | null = null
let shownPath = location.pathname
const listeners = new Set<() => void>()

function show(path: string) {
  shownPath = path
  listeners.forEach((listener) => listener())
}

export function navigate(path: string, { replace = false, unguarded = false } = {}): void {
  const leave = () => {
    if (replace) history.replaceState(null, '', path)
    else history.pushState(null, '', path)
    show(path)
  }
  if (guard === null || unguarded || path === shownPath) leave()
  else guard(leave)
}

window.addEventListener('popstate', () => {
  const wanted = location.pathname
  if (guard === null || wanted === shownPath) return show(wanted)
  // The browser has already gone back: stand where we were until the person agrees.
  history.pushState(null, '', shownPath)
  guard(() => {
    history.replaceState(null, '', wanted)
    show(wanted)
  })
})

function subscribe(listener: () => void) {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

export function useRoute(): Route {
  const path = useSyncExternalStore(subscribe, () => shownPath)
  return useMemo(() => parsePath(path), [path])
}

/** While `dirty`, leaving by link, back button or closing asks first. */
export function useLeaveGuard(dirty: boolean) {
  const [pending, setPending] = useState<(() => void) | null>(null)
  useEffect(() => {
    if (!dirty) return
    const ask: Guard = (leave) => setPending(() => leave)
    const warn = (event: BeforeUnloadEvent) => event.preventDefault()
    guard = ask
    window.addEventListener('beforeunload', warn)
    return () => {
      if (guard === ask) guard = null
      window.removeEventListener('beforeunload', warn)
    }
  }, [dirty])
  const stay = useCallback(() => setPending(null), [])
  const leave = useCallback(() => {
    setPending(null)
    pending?.()
  }, [pending])
  return { asking: pending !== null, stay, leave }
}

type LinkProps = AnchorHTMLAttributes<HTMLAnchorElement> & { to: string }

export function Link({ to, onClick, ...props }: LinkProps) {
  const follow = (event: MouseEvent<HTMLAnchorElement>) => {
    onClick?.(event)
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return
    event.preventDefault()
    navigate(to)
  }
  return <a href={to} onClick={follow} {...props} />
}
