// Draws a page over an API whose answers the test gives.
import { MantineProvider } from '@mantine/core'
import { QueryClientProvider } from '@tanstack/react-query'
import { render } from '@testing-library/react'
import type { ReactNode } from 'react'
import { vi } from 'vitest'
import type { Api } from '../api/client'
import { Problem } from '../api/problem'
import { ApiProvider, createQueryClient } from '../api/queries'
import { Notices } from '../app/notices'
import { startI18n, type Language } from '../i18n'
import { ListMemory } from '../list/memory'
import { boat, kpis, nodeState, schema } from './pack'

/** An API that knows one node, one schema, one boat; anything else is replaced by the test. */
export function fakeApi(answers: Partial<Api> = {}): Api {
  const refuse = () => Promise.reject(new Problem('internal', 500, 'the test gave no answer'))
  return {
    officers: vi.fn(() => Promise.resolve([{ id: 'o1', name: 'Lò Thị Hòa' }])),
    signIn: vi.fn(refuse),
    session: vi.fn(refuse),
    signOut: vi.fn(() => Promise.resolve(undefined)),
    setPassword: vi.fn(refuse),
    node: vi.fn(() => Promise.resolve(nodeState)),
    schema: vi.fn(() => Promise.resolve(schema)),
    search: vi.fn(() => Promise.resolve({ items: [boat()], total: 1, next: null, as_of_ms: nodeState.now_ms })),
    record: vi.fn(() => Promise.resolve(boat())),
    create: vi.fn(refuse),
    change: vi.fn(refuse),
    remove: vi.fn(refuse),
    restore: vi.fn(refuse),
    deleted: vi.fn(() => Promise.resolve({ items: [], total: 0, next: null })),
    history: vi.fn(() => Promise.resolve({ saves: [], total: 0, next: null, older: false, damaged: 0 })),
    inboxCounts: vi.fn(() => Promise.resolve({ forks: 0, refused: 0, edited: 0, late: 0, conflicts: 0, counted_to: 1000 })),
    inbox: vi.fn(() => Promise.resolve({ items: [], next: null })),
    dismiss: vi.fn(refuse),
    kpis: vi.fn(() => Promise.resolve(kpis)),
    sticks: vi.fn(() => Promise.resolve({ sticks: [], readers: [], ready: true })),
    stick: vi.fn(refuse),
    swapStick: vi.fn(refuse),
    cutLine: vi.fn(refuse),
    ...answers,
  }
}

export async function draw(page: ReactNode, { api = fakeApi(), language = 'vi' }: { api?: Api; language?: Language } = {}) {
  await startI18n(language)
  const client = createQueryClient()
  const wrapper = ({ children }: { children: ReactNode }) => (
    <MantineProvider env="test">
      <QueryClientProvider client={client}>
        <ApiProvider value={api}>
          <Notices>
            <ListMemory>{children}</ListMemory>
          </Notices>
        </ApiProvider>
      </QueryClientProvider>
    </MantineProvider>
  )
  return { api, ...render(page, { wrapper }) }
}
