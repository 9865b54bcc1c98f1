// The HTTP client: typed calls that return data or throw a Problem.
import createClient, { type Middleware } from 'openapi-fetch'
import { asProblem, Problem, problemFrom } from './problem'
import type { paths } from './schema'
import { readSession } from './session'
import type { DeletedPage, History, Inbox, InboxCounts, InboxKind, Kpis, NodeState, Officer, Page, Rec, Schema, Search, Session, SignedIn, StickContents, StickOrder, StickPlaces, StickSwapped, Values } from './types'

export type ApiOptions = {
  baseUrl?: string
  fetch?: (request: Request) => Promise<Response>
  language: () => string
  /** Called when the node says that the session is over, before the Problem is thrown. */
  onSignedOut: () => void
}

export type Api = ReturnType<typeof createApi>

export function sessionHeaders(language: string): Record<string, string> {
  const secret = readSession()?.secret
  return { 'Accept-Language': language, ...(secret === undefined ? {} : { 'X-Vungxa-Session': secret }) }
}

function withSession(language: () => string): Middleware {
  return {
    onRequest({ request }) {
      for (const [name, value] of Object.entries(sessionHeaders(language()))) request.headers.set(name, value)
      return request
    },
  }
}

type Answer = { data?: unknown; error?: unknown; response: Response }

/** The paths are the contract's; `T` narrows what JSON Schema leaves open (see types.ts). */
async function settle<T>(call: Promise<Answer>, onSignedOut: () => void): Promise<T> {
  const answer = await call.catch((error: unknown) => {
    throw asProblem(error)
  })
  if (answer.response.ok) return answer.data as T
  const problem = problemFrom(answer.response.status, answer.error)
  if (problem.code === 'unauthenticated') onSignedOut()
  throw problem
}

/** A question that was asked anew, or whose page is gone, is not waited for. */
const until = (signal: AbortSignal | undefined) => (signal === undefined ? {} : { signal })

export function createApi({ baseUrl = '', fetch, language, onSignedOut }: ApiOptions) {
  const client = createClient<paths>({ baseUrl, ...(fetch === undefined ? {} : { fetch }) })
  client.use(withSession(language))
  // An answer to a request of an earlier session says nothing of the one that has begun since.
  const run = <T>(call: Promise<Answer>) => {
    const asked = readSession()?.secret
    return settle<T>(call, () => {
      if (readSession()?.secret === asked) onSignedOut()
    })
  }
  // A wrong password is also a 401, but it is not the end of a session.
  const knock = <T>(call: Promise<Answer>) => settle<T>(call, () => undefined)
  return {
    officers: () => knock<Officer[]>(client.GET('/api/v0/officers')),
    signIn: (body: { code: string } | { officer: string; password: string }) =>
      knock<SignedIn>(client.POST('/api/v0/session', { body })),
    session: () => run<Session>(client.GET('/api/v0/session')),
    signOut: () => knock<undefined>(client.DELETE('/api/v0/session')),
    setPassword: (body: { password: string; current?: string }) =>
      knock<undefined>(client.PUT('/api/v0/session/password', { body })),
    node: () => run<NodeState>(client.GET('/api/v0/node')),
    schema: () => run<Schema>(client.GET('/api/v0/schema')),
    search: (c: string, body: Search, signal?: AbortSignal) =>
      run<Page>(client.POST('/api/v0/collections/{c}/search', { params: { path: { c } }, body, ...until(signal) })),
    record: (c: string, id: string) =>
      run<Rec>(client.GET('/api/v0/collections/{c}/records/{id}', { params: { path: { c, id } } })),
    create: (c: string, values: Values) =>
      run<Rec>(client.POST('/api/v0/collections/{c}/records', { params: { path: { c } }, body: { values } })),
    change: (c: string, id: string, body: { version: Rec['version']; values: Values; again?: boolean }) =>
      run<Rec>(client.PATCH('/api/v0/collections/{c}/records/{id}', { params: { path: { c, id } }, body })),
    remove: (c: string, id: string, version: Rec['version']) =>
      run<Rec>(client.POST('/api/v0/collections/{c}/records/{id}/delete', { params: { path: { c, id } }, body: { version } })),
    restore: (c: string, id: string, version: Rec['version']) =>
      run<Rec>(client.POST('/api/v0/collections/{c}/records/{id}/restore', { params: { path: { c, id } }, body: { version } })),
    deleted: (c: string, cursor: string | undefined) =>
      run<DeletedPage>(client.GET('/api/v0/collections/{c}/deleted', { params: { path: { c }, query: cursor === undefined ? {} : { cursor } } })),
    history: (c: string, id: string, cursor: string | undefined) =>
      run<History>(client.GET('/api/v0/collections/{c}/records/{id}/history', { params: { path: { c, id }, query: cursor === undefined ? {} : { cursor } } })),
    inboxCounts: () => run<InboxCounts>(client.GET('/api/v0/inbox/counts')),
    inbox: (query: { kind?: InboxKind; cursor?: string }) => run<Inbox>(client.GET('/api/v0/inbox', { params: { query } })),
    dismiss: (id: string) => run<undefined>(client.POST('/api/v0/inbox/{id}/dismiss', { params: { path: { id } } })),
    kpis: (month: string, signal?: AbortSignal) => run<Kpis>(client.GET('/api/v0/kpis', { params: { query: { month } }, ...until(signal) })),
    sticks: () => run<StickPlaces>(client.GET('/api/v0/sticks')),
    stick: (path: string) => run<StickContents>(client.POST('/api/v0/sticks/inspect', { body: { path } })),
    swapStick: (body: StickOrder) => run<StickSwapped>(client.POST('/api/v0/sticks/swap', { body })),
    cutLine: (device: string, cut: boolean) =>
      run<undefined>(client.POST('/api/v0/demo/lines/{device}', { params: { path: { device } }, body: { cut } })),
  }
}

export { Problem }
