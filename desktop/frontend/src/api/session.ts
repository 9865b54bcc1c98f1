// The header half of a session. The cookie half is HttpOnly and never seen here.
// The secret lives in sessionStorage: another tab, port or user does not have it.
import type { Officer } from './types'

const key = 'vungxa.session'

export type StoredSession = { secret: string; officer: Officer; passwordSet: boolean }

export function readSession(): StoredSession | null {
  const text = sessionStorage.getItem(key)
  if (text === null) return null
  try {
    return JSON.parse(text) as StoredSession
  } catch {
    sessionStorage.removeItem(key)
    return null
  }
}

export function writeSession(session: StoredSession | null): void {
  if (session === null) sessionStorage.removeItem(key)
  else sessionStorage.setItem(key, JSON.stringify(session))
}

/** Takes the one-time code out of the address bar, so that it stays in no history. */
export function takeSignInCode(location: Location, history: History): string | null {
  const code = new URLSearchParams(location.hash.slice(1)).get('code')
  if (code === null) return null
  history.replaceState(null, '', location.pathname + location.search)
  return code
}
