// Who is signed in. When a session ends under an officer's hands, the pages stay
// mounted behind the sign-in page, hidden: the same officer finds the half-written
// form again, another officer finds nothing of it.
import { createContext, useContext } from 'react'
import type { StoredSession } from '../api/session'

export type SessionControl = {
  session: StoredSession
  signOut: () => void
  /** Opens the form that sets or changes the password. */
  askPassword: () => void
}

const SessionContext = createContext<SessionControl | null>(null)
export const SessionProvider = SessionContext.Provider

export function useSession(): SessionControl {
  const control = useContext(SessionContext)
  if (control === null) throw new Error('useSession outside of SessionProvider')
  return control
}
