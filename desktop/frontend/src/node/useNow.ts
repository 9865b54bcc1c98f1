// The node's time, carried on between its answers. The browser's own clock only measures what passed.
import { useEffect, useState } from 'react'
import { useNode } from '../api/queries'

const stepMs = 20_000

/** Unix milliseconds by the node's clock, renewed every few seconds; null before its first answer. */
export function useNow(): number | null {
  const node = useNode()
  const [passedMs, setPassedMs] = useState(0)
  const { dataUpdatedAt } = node
  useEffect(() => {
    const timer = setInterval(() => setPassedMs(Math.max(0, Date.now() - dataUpdatedAt)), stepMs)
    return () => {
      clearInterval(timer)
      setPassedMs(0)
    }
  }, [dataUpdatedAt])
  return node.data === undefined ? null : node.data.now_ms + passedMs
}
