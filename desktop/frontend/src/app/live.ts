// Live updates: what the node says has changed is read again, at most a few times a second.
import { useQueryClient } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { sessionHeaders } from '../api/client'
import { follow } from '../api/events'
import { currentLanguage } from '../i18n'

const gatherMs = 200
// The schema too: items that an office adds to open code lists are records.
const everything = ['node', 'records', 'inbox', 'kpis', 'schema']

/** Follows the node's events while mounted. False while the node doesn't answer. */
export function useLiveUpdates(): boolean {
  const client = useQueryClient()
  const [live, setLive] = useState(true)
  useEffect(() => {
    const stop = new AbortController()
    const { ask, cancel } = gather((keys) => {
      for (const key of keys) void client.invalidateQueries({ queryKey: [key] })
    })
    void follow(
      {
        fetch: (...args) => fetch(...args),
        headers: () => sessionHeaders(currentLanguage()),
        onEvent: ({ name }) => ask(name === 'node' ? ['node'] : everything),
        onOpen: () => {
          setLive(true)
          ask(everything)
        },
        onLost: () => setLive(false),
        // Any other call meets the same answer and shows the sign-in page.
        onUnauthenticated: () => ask(['node']),
      },
      stop.signal,
    )
    return () => {
      stop.abort()
      cancel()
    }
  }, [client])
  return live
}

/** Collects keys for a moment, so that a burst of events costs one reading. */
export function gather(run: (keys: string[]) => void) {
  const keys = new Set<string>()
  let timer: ReturnType<typeof setTimeout> | undefined
  const flush = () => {
    timer = undefined
    const gathered = [...keys]
    keys.clear()
    run(gathered)
  }
  return {
    ask: (more: string[]) => {
      more.forEach((key) => keys.add(key))
      timer ??= setTimeout(flush, gatherMs)
    },
    cancel: () => clearTimeout(timer),
  }
}
