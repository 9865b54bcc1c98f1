// The providers around the pages.
import { MantineProvider } from '@mantine/core'
import { QueryClientProvider } from '@tanstack/react-query'
import { Component, useState, type ReactNode } from 'react'
import { createApi } from '../api/client'
import { ApiProvider, createQueryClient } from '../api/queries'
import { currentLanguage, useWords } from '../i18n'
import { ListMemory } from '../list/memory'
import { theme } from '../styles/theme'
import { Notices } from './notices'
import { SessionGate, type Phase } from './SessionGate'
import { Shell } from './Shell'

export function App({ first, code }: { first: Phase; code: string | null }) {
  const [{ api, client, onSignedOut }] = useState(wire)
  return (
    <MantineProvider theme={theme} forceColorScheme="light">
      <Catch>
        <QueryClientProvider client={client}>
          <ApiProvider value={api}>
            <Notices>
              <SessionGate api={api} first={first} code={code} onSignedOut={onSignedOut}>
                <ListMemory>
                  <Shell />
                </ListMemory>
              </SessionGate>
            </Notices>
          </ApiProvider>
        </QueryClientProvider>
      </Catch>
    </MantineProvider>
  )
}

function wire() {
  let signedOut = () => {}
  const api = createApi({ language: currentLanguage, onSignedOut: () => signedOut() })
  const onSignedOut = (listener: () => void) => {
    signedOut = listener
  }
  return { api, client: createQueryClient(), onSignedOut }
}

/** The last net: an error in the page's own code gets a sentence instead of a blank page. */
class Catch extends Component<{ children: ReactNode }, { error: Error | null }> {
  override state: { error: Error | null } = { error: null }

  static getDerivedStateFromError(error: Error) {
    return { error }
  }

  override render() {
    return this.state.error === null ? this.props.children : <Broken error={this.state.error} />
  }
}

function Broken({ error }: { error: Error }) {
  const { t } = useWords()
  return (
    <main style={{ padding: 24, maxWidth: 640 }}>
      <h1>{t('app.broken')}</h1>
      <p>{t('app.brokenHint')}</p>
      <pre style={{ whiteSpace: 'pre-wrap' }}>{error.message}</pre>
      <button type="button" onClick={() => location.reload()}>
        {t('app.reload')}
      </button>
    </main>
  )
}
