// How each list was left: conditions, page and the row that was opened. In memory only, so
// that coming back from a record finds the list as it was and the next officer finds nothing.
import { createContext, useCallback, useContext, useMemo, useRef, useState, type ReactNode } from 'react'
import type { Collection } from '../api/types'
import { firstState, type ListState } from '../schema/search'

type Memory = {
  lists: Record<string, ListState>
  remember: (collection: string, state: ListState) => void
  /** The record that was opened last, whose row takes the focus again. */
  markOpened: (id: string) => void
  takeOpened: () => string | null
}

const MemoryContext = createContext<Memory | null>(null)

export function ListMemory({ children }: { children: ReactNode }) {
  const [lists, setLists] = useState<Record<string, ListState>>({})
  const opened = useRef<string | null>(null)
  const remember = useCallback((collection: string, state: ListState) => setLists((last) => ({ ...last, [collection]: state })), [])
  const markOpened = useCallback((id: string) => {
    opened.current = id
  }, [])
  const takeOpened = useCallback(() => {
    const id = opened.current
    opened.current = null
    return id
  }, [])
  const memory = useMemo(() => ({ lists, remember, markOpened, takeOpened }), [lists, remember, markOpened, takeOpened])
  return <MemoryContext value={memory}>{children}</MemoryContext>
}

export function useListMemory(): Memory {
  const memory = useContext(MemoryContext)
  if (memory === null) throw new Error('useListMemory outside of ListMemory')
  return memory
}

/** The list's state, and a setter; any change but of the page goes back to the first page. */
export function useListState(collection: Collection) {
  const { lists, remember } = useListMemory()
  const state = lists[collection.id] ?? firstState(collection)
  const set = (change: Partial<ListState>) => remember(collection.id, { ...state, cursors: [], ...change })
  return { state, set, reset: () => remember(collection.id, { ...firstState(collection), sort: state.sort }) }
}
