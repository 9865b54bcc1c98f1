import { createRoot } from 'react-dom/client'
import { readSession, takeSignInCode } from './api/session'
import { App } from './app/App'
import type { Phase } from './app/SessionGate'
import { startI18n } from './i18n'

// Before anything is drawn: the code leaves the address bar at once.
const code = takeSignInCode(location, history)
const session = readSession()
const first: Phase = code === null && session !== null ? { kind: 'in', session } : { kind: 'out', reason: 'none' }

await startI18n()
const root = document.getElementById('root')
if (root === null) throw new Error('index.html has no #root')
createRoot(root).render(<App first={first} code={code} />)
