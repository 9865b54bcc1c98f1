// Single-key shortcuts. They rest while a person types and while a dialog or the sign-in page is up.
import { useEffect, useRef } from 'react'

export type Shortcuts = Record<string, () => void>

/** A page with this mark (the sign-in page) and any open dialog keep the shortcuts of what is behind quiet. */
export const shortcutsOff = { 'data-shortcuts': 'off' } as const
const quieting = '[data-shortcuts="off"], [role="dialog"][aria-modal="true"]'

// A dialog that closes by the very key is gone before the shortcuts are asked, so what was up is noted first.
let quietBefore = false
window.addEventListener('keydown', () => (quietBefore = isQuiet()), true)

/** True while a dialog or the sign-in page is up: keys belong to it alone. */
export function isQuiet(): boolean {
  return document.querySelector(quieting) !== null
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false
  return target.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(target.tagName)
}

export function shortcutFor(event: KeyboardEvent, shortcuts: Shortcuts): (() => void) | undefined {
  if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.altKey || event.metaKey) return undefined
  if (isTyping(event.target) || quietBefore || isQuiet()) return undefined
  return shortcuts[event.key] ?? shortcuts[event.key.toLowerCase()]
}

export function useShortcuts(shortcuts: Shortcuts): void {
  const latest = useRef(shortcuts)
  useEffect(() => {
    latest.current = shortcuts
  })
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const run = shortcutFor(event, latest.current)
      if (run === undefined) return
      event.preventDefault()
      run()
    }
    window.addEventListener('keydown', onKey)
    return () => window.removeEventListener('keydown', onKey)
  }, [])
}
