// What the pages read, as react-query hooks. Everything comes from the node on this
// machine, so no read waits for a line; what is shown stays while a new answer is read.
import { keepPreviousData, QueryClient, useQuery, useQueryClient } from '@tanstack/react-query'
import { createContext, useContext } from 'react'
import type { Api } from './client'
import type { Rec, Search } from './types'

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

export function useSchema() {
  const api = useApi()
  return useQuery({ queryKey: ['schema'], queryFn: api.schema, staleTime: Infinity })
}

export function useSearchPage(collection: string, search: Search) {
  const api = useApi()
  return useQuery({
    queryKey: ['records', collection, 'search', search],
    queryFn: () => api.search(collection, search),
    placeholderData: keepPreviousData,
  })
}

export function useRecord(collection: string, id: string) {
  const api = useApi()
  return useQuery({ queryKey: ['records', collection, 'one', id], queryFn: () => api.record(collection, id) })
}

/** Time alone moves figures (a dossier becomes overdue), so they are asked for again each minute. */
export function useKpis(month: string | null) {
  const api = useApi()
  return useQuery({
    queryKey: ['kpis', month],
    queryFn: () => api.kpis(month ?? ''),
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
  }
}
