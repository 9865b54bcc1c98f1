// Who may see the pages, and what happens to them when a session ends (see session.tsx).
import { useQueryClient } from '@tanstack/react-query'
import { useCallback, useEffect, useMemo, useState, type ReactNode } from 'react'
import type { Api } from '../api/client'
import { readSession, takeSignInCode, writeSession, type StoredSession } from '../api/session'
import { PasswordDialog } from '../signin/PasswordDialog'
import { SignInPage, type Entry } from '../signin/SignInPage'
import { SessionProvider } from './session'

export type Phase =
  | { kind: 'out'; reason: 'none' | 'signedOut' }
  | { kind: 'in'; session: StoredSession }
  /** The node no longer knows the session; the pages wait, hidden. */
  | { kind: 'expired'; session: StoredSession }

type Props = {
  api: Api
  first: Phase
  /** The one-time code that the page was opened with. */
  code: string | null
  /** Registers what is to happen when the node says that the session is over. */
  onSignedOut: (listener: () => void) => void
  children: ReactNode
}

export function SessionGate({ api, first, code: firstCode, onSignedOut, children }: Props) {
  const client = useQueryClient()
  const [phase, setPhase] = useState(first)
  const [asking, setAsking] = useState(false)
  const [code, forgetCode] = useLinkCode(firstCode, setPhase)

  useEffect(() => {
    onSignedOut(() => {
      writeSession(null)
      setPhase((last) => (last.kind === 'in' ? { kind: 'expired', session: last.session } : last))
    })
  }, [onSignedOut])

  const enter = ({ signedIn, byCode }: Entry) => {
    const session = { secret: signedIn.secret, officer: signedIn.officer, passwordSet: signedIn.password_set }
    writeSession(session)
    if (phase.kind === 'expired' && phase.session.officer.id === session.officer.id) void client.invalidateQueries()
    else client.clear()
    forgetCode()
    setPhase({ kind: 'in', session })
    setAsking(byCode && !session.passwordSet)
  }

  const signOut = useCallback(() => {
    const mine = readSession()?.secret
    const forget = () => {
      if (readSession()?.secret === mine) writeSession(null)
    }
    // The pages go at once, whatever the node says; one that can't be told lets the session run out.
    api.signOut().then(forget, forget)
    client.clear()
    setPhase({ kind: 'out', reason: 'signedOut' })
  }, [api, client])

  const passwordWasSet = () => {
    setAsking(false)
    setPhase((last) => {
      if (last.kind !== 'in') return last
      const session = { ...last.session, passwordSet: true }
      writeSession(session)
      return { kind: 'in', session }
    })
  }

  const known = phase.kind === 'out' ? null : phase.session
  const control = useMemo(() => (known === null ? null : { session: known, signOut, askPassword: () => setAsking(true) }), [known, signOut])
  return (
    <>
      {phase.kind !== 'in' && (
        <SignInPage api={api} code={code} reason={phase.kind === 'expired' ? 'expired' : phase.reason} officer={known?.officer.id ?? null} onEnter={enter} />
      )}
      {control !== null && (
        <SessionProvider value={control}>
          <div key={control.session.officer.id} hidden={phase.kind === 'expired'} inert={phase.kind === 'expired'} style={{ height: '100%' }}>
            {children}
          </div>
          <PasswordDialog opened={asking && phase.kind === 'in'} passwordSet={control.session.passwordSet} onDone={passwordWasSet} onLater={() => setAsking(false)} />
        </SessionProvider>
      )}
    </>
  )
}

/** A sign-in link pasted into this very tab changes only the fragment: the page isn't loaded anew. */
function useLinkCode(first: string | null, setPhase: (phase: Phase) => void): [string | null, () => void] {
  const [code, setCode] = useState(first)
  useEffect(() => {
    const onHash = () => {
      const fresh = takeSignInCode(location, history)
      if (fresh === null) return
      setCode(fresh)
      setPhase({ kind: 'out', reason: 'none' })
    }
    window.addEventListener('hashchange', onHash)
    return () => window.removeEventListener('hashchange', onHash)
  }, [setPhase])
  return [code, () => setCode(null)]
}
