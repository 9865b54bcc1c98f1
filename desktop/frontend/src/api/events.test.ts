import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { createEventParser, follow, type EventStream, type LiveEvent } from './events'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

it('cuts events out of chunks of any size and drops comments', () => {
  const text = ': hello\n\nevent: change\ndata: {"position":1}\n\n: beat\n\nevent: node\r\ndata: {}\r\n\r\n'
  for (const size of [1, 3, 7, text.length]) {
    const events: LiveEvent[] = []
    const push = createEventParser((event) => events.push(event))
    for (let i = 0; i < text.length; i += size) push(text.slice(i, i + size))
    expect(events.map(({ name, data }) => `${name} ${data}`)).toEqual(['change {"position":1}', 'node {}'])
  }
})

/** A stream whose connections the test opens, feeds and breaks. */
function wire() {
  const log: string[] = []
  const bodies: ReadableStreamDefaultController<Uint8Array>[] = []
  let answer: () => Promise<Response> = () => Promise.reject(new TypeError('refused'))
  const stream: EventStream = {
    fetch: vi.fn(() => answer()),
    headers: () => ({ 'X-Vungxa-Session': 's' }),
    onEvent: ({ name }) => log.push(name),
    onOpen: () => log.push('open'),
    onLost: () => log.push('lost'),
    onUnauthenticated: () => log.push('unauthenticated'),
  }
  const accept = () => {
    answer = () => Promise.resolve(new Response(new ReadableStream<Uint8Array>({ start: (c) => void bodies.push(c) })))
  }
  const refuse = () => {
    answer = () => Promise.reject(new TypeError('refused'))
  }
  const status = (code: number) => {
    answer = () => Promise.resolve(new Response(null, { status: code }))
  }
  return { log, bodies, stream, accept, refuse, status }
}

it('tells of an outage once, comes back by itself, and reads everything again', async () => {
  const { log, bodies, stream, accept, refuse } = wire()
  const stop = new AbortController()
  accept()
  const done = follow(stream, stop.signal)
  await vi.advanceTimersByTimeAsync(10)
  bodies[0]?.enqueue(new TextEncoder().encode('event: change\ndata: {}\n\n'))
  await vi.advanceTimersByTimeAsync(10)
  refuse()
  bodies[0]?.close()
  await vi.advanceTimersByTimeAsync(30_000)
  expect(log).toEqual(['open', 'change', 'lost'])
  const triedBefore = vi.mocked(stream.fetch).mock.calls.length
  expect(triedBefore).toBeLessThan(10)
  accept()
  await vi.advanceTimersByTimeAsync(10_000)
  expect(log).toEqual(['open', 'change', 'lost', 'open'])
  stop.abort()
  bodies[1]?.close() // as fetch does when it is aborted
  await done
})

it('gives up a connection that has gone silent', async () => {
  const { log, stream, accept } = wire()
  const stop = new AbortController()
  accept()
  void follow(
    { ...stream, fetch: (_, init) => Promise.resolve(new Response(new ReadableStream({ start: (c) => init?.signal?.addEventListener('abort', () => c.error(new Error('aborted'))) }))) },
    stop.signal,
  )
  await vi.advanceTimersByTimeAsync(39_000)
  expect(log).toEqual(['open'])
  await vi.advanceTimersByTimeAsync(2_000)
  expect(log).toEqual(['open', 'lost', 'open'])
  stop.abort()
})

it('stops at the end of a session', async () => {
  const { log, stream, status } = wire()
  status(401)
  await follow(stream, new AbortController().signal)
  expect(log).toEqual(['unauthenticated'])
})
