// Live events, read from a fetch stream (EventSource can't send the session's header).

export type LiveEvent = { name: string; data: string }

/** Cuts text into server-sent events; keeps what is not yet whole. Comments are dropped. */
export function createEventParser(onEvent: (event: LiveEvent) => void) {
  let rest = ''
  return (chunk: string) => {
    rest = (rest + chunk).replaceAll('\r\n', '\n')
    const blocks = rest.split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) {
      const event = parseBlock(block)
      if (event !== null) onEvent(event)
    }
  }
}

function parseBlock(block: string): LiveEvent | null {
  let name = 'message'
  const data: string[] = []
  for (const line of block.split('\n')) {
    if (line.startsWith('event:')) name = line.slice(6).trim()
    if (line.startsWith('data:')) data.push(line.slice(5).trim())
  }
  return data.length > 0 || name !== 'message' ? { name, data: data.join('\n') } : null
}

export type EventStream = {
  fetch: typeof fetch
  headers: () => Record<string, string>
  onEvent: (event: LiveEvent) => void
  /** After every (re)connection: whatever happened in between must be read again. */
  onOpen: () => void
  /** The node does not answer. Called once per outage; onOpen ends it. */
  onLost: () => void
  onUnauthenticated: () => void
}

/** The node sends a comment every 15 s; twice that and some without a byte is a dead stream. */
const silenceMs = 40_000
const firstDelayMs = 500
const lastDelayMs = 10_000

/** Follows the stream until the signal aborts, reconnecting with growing pauses. */
export async function follow(stream: EventStream, signal: AbortSignal): Promise<void> {
  let delayMs = firstDelayMs
  let lost = false
  const over = () => signal.aborted
  while (!over()) {
    const outcome = await readOnce(stream, signal, () => {
      delayMs = firstDelayMs
      lost = false
    })
    if (outcome === 'unauthenticated') return
    if (over()) return
    if (!lost) stream.onLost()
    lost = true
    await pause(delayMs, signal)
    delayMs = Math.min(delayMs * 2, lastDelayMs)
  }
}

async function readOnce(stream: EventStream, signal: AbortSignal, opened: () => void) {
  const watch = new AbortController()
  const stop = () => watch.abort()
  signal.addEventListener('abort', stop)
  let timer = setTimeout(stop, silenceMs)
  try {
    const response = await stream.fetch('/api/v0/events', { headers: stream.headers(), signal: watch.signal })
    if (response.status === 401) {
      stream.onUnauthenticated()
      return 'unauthenticated'
    }
    if (!response.ok || response.body === null) return 'lost'
    opened()
    stream.onOpen()
    const push = createEventParser(stream.onEvent)
    const decoder = new TextDecoder()
    const reader = response.body.getReader()
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      clearTimeout(timer)
      timer = setTimeout(stop, silenceMs)
      push(decoder.decode(read.value, { stream: true }))
    }
    return 'lost'
  } catch {
    // A refused, cut or aborted stream looks the same from here: try again.
    return 'lost'
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', stop)
    watch.abort()
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done)
  })
}
