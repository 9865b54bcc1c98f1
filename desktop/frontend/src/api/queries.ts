// What the pages read, as react-query hooks. Everything comes from the node on this
// machine, so no read waits for a line; what is shown stays while a new answer is read.
import { keepPreviousData, QueryClient, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { createContext, useContext } from 'react'
import type { Api } from './client'
import type { InboxKind, Rec, Search, StickOrder } from './types'

const ApiContext = createContext<Api | null>(null)
export const ApiProvider = ApiContext.Provider

export function useApi(): Api {
  const api = useContext(ApiContext)
  if (api === null) throw new Error('useApi outside of ApiProvider')
  return api
}

export function createQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      // 'always': the browser's idea of being offline says nothing about the node beside it.
      queries: { networkMode: 'always', retry: false, staleTime: 2_000 },
      mutations: { networkMode: 'always', retry: false },
    },
  })
}

const minuteMs = 60_000

export function useNode() {
  const api = useApi()
  return useQuery({ queryKey: ['node'], queryFn: api.node, refetchInterval: minuteMs })
}

/** What is plugged in is looked for while the page is open. */
const plugMs = 3_000

export function useSticks() {
  const api = useApi()
  return useQuery({ queryKey: ['sticks'], queryFn: api.sticks, refetchInterval: plugMs })
}

export function useStick(path: string) {
  const api = useApi()
  return useQuery({ queryKey: ['sticks', 'one', path], queryFn: () => api.stick(path), placeholderData: keepPreviousData })
}

export function useSwapStick() {
  const api = useApi()
  const client = useQueryClient()
  return useMutation({
    mutationFn: (order: StickOrder) => api.swapStick(order),
    onSettled: () => client.invalidateQueries(),
  })
}

export function useSchema() {
  const api = useApi()
  return useQuery({ queryKey: ['schema'], queryFn: api.schema, staleTime: Infinity })
}

export function useSearchPage(collection: string, search: Search, enabled = true) {
  const api = useApi()
  return useQuery({
    queryKey: ['records', collection, 'search', search],
    queryFn: ({ signal }) => api.search(collection, search, signal),
    enabled,
    placeholderData: keepPreviousData,
  })
}

export function useRecord(collection: string, id: string) {
  const api = useApi()
  return useQuery({ queryKey: ['records', collection, 'one', id], queryFn: () => api.record(collection, id) })
}

export function useHistory(collection: string, id: string, cursor: string | undefined) {
  const api = useApi()
  return useQuery({
    queryKey: ['records', collection, 'history', id, cursor],
    queryFn: () => api.history(collection, id, cursor),
    placeholderData: keepPreviousData,
  })
}

export function useDeletedPage(collection: string, cursor: string | undefined, enabled: boolean) {
  const api = useApi()
  return useQuery({
    queryKey: ['records', collection, 'deleted', cursor],
    queryFn: () => api.deleted(collection, cursor),
    enabled,
    placeholderData: keepPreviousData,
  })
}

export function useInboxCounts() {
  const api = useApi()
  return useQuery({ queryKey: ['inbox', 'counts'], queryFn: api.inboxCounts })
}

export function useInbox(kind: InboxKind | null, cursor: string | undefined) {
  const api = useApi()
  return useQuery({
    queryKey: ['inbox', 'page', kind, cursor],
    queryFn: () => api.inbox({ ...(kind === null ? {} : { kind }), ...(cursor === undefined ? {} : { cursor }) }),
    placeholderData: keepPreviousData,
  })
}

/** Deletes a record or takes its deletion back, on the version that was seen. */
export function useExistence(onDone: (record: Rec) => void) {
  const api = useApi()
  const accept = useAcceptRecord()
  return useMutation({
    mutationFn: ({ to, of }: { to: 'remove' | 'restore'; of: { collection: string; id: string; version: string } }) => api[to](of.collection, of.id, of.version),
    onSuccess: (record) => {
      accept(record)
      onDone(record)
    },
  })
}

/** Time alone moves figures (a dossier becomes overdue), so they are asked for again each minute. */
export function useKpis(month: string | null) {
  const api = useApi()
  return useQuery({
    queryKey: ['kpis', month],
    queryFn: ({ signal }) => api.kpis(month ?? '', signal),
    enabled: month !== null,
    placeholderData: keepPreviousData,
    refetchInterval: minuteMs,
  })
}

/** After a save: the answer is the record's new state, and everything else is read again. */
export function useAcceptRecord() {
  const client = useQueryClient()
  return (record: Rec) => {
    if (record.cells !== undefined) client.setQueryData(['records', record.collection, 'one', record.id], record)
    void client.invalidateQueries({ queryKey: ['records'] })
    void client.invalidateQueries({ queryKey: ['kpis'] })
    void client.invalidateQueries({ queryKey: ['node'] })
    void client.invalidateQueries({ queryKey: ['inbox'] })
  }
}
