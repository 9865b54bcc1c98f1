import { beforeEach, describe, expect, it, vi } from 'vitest'
import { createApi } from './client'
import { asProblem, errorsByField, Problem, problemFrom } from './problem'
import { readSession, takeSignInCode, writeSession } from './session'

const json = (status: number, body: unknown) =>
  new Response(status === 204 ? null : JSON.stringify(body), { status, headers: { 'Content-Type': status < 400 ? 'application/json' : 'application/problem+json' } })

function apiOver(answer: (request: Request) => Response | Promise<Response>) {
  const requests: Request[] = []
  const onSignedOut = vi.fn()
  const fetch = (request: Request) => {
    requests.push(request.clone())
    return Promise.resolve(answer(request))
  }
  return { api: createApi({ baseUrl: 'http://node.test', fetch, language: () => 'en', onSignedOut }), requests, onSignedOut }
}

const failure = (call: Promise<unknown>) => call.then(() => Promise.reject(new Error('it should have failed')), asProblem)

beforeEach(() => writeSession({ secret: 'tag.secret', officer: { id: 'o1', name: 'Hòa' }, passwordSet: true }))

describe('the client', () => {
  it('sends the session, the language, and the version that the form was opened on', async () => {
    const { api, requests } = apiOver(() => json(200, { id: 'r/1' }))
    await api.change('boats', 'r/1', { version: 'v7', values: { Ten: null } })
    const [request] = requests
    expect(request?.method).toBe('PATCH')
    expect(request?.url).toBe('http://node.test/api/v0/collections/boats/records/r%2F1')
    expect(request?.headers.get('X-Vungxa-Session')).toBe('tag.secret')
    expect(request?.headers.get('Accept-Language')).toBe('en')
    expect(await request?.json()).toEqual({ version: 'v7', values: { Ten: null } })
  })

  it('throws problem details with their code, sentence and fields', async () => {
    const body = { status: 422, code: 'invalid', detail: 'Chưa lưu được.', errors: [{ location: 'values.Ten', message: 'quá dài' }] }
    const problem = await failure(apiOver(() => json(422, body)).api.create('boats', {}))
    expect(problem).toMatchObject({ code: 'invalid', status: 422, detail: 'Chưa lưu được.' })
    expect(errorsByField(problem).fields).toEqual({ Ten: 'quá dài' })
  })

  it('tells an ended session from a wrong password', async () => {
    const { api, onSignedOut } = apiOver(() => json(401, { code: 'unauthenticated', detail: 'Chưa đăng nhập.' }))
    await failure(api.signIn({ officer: 'o1', password: 'x' }))
    await failure(api.setPassword({ password: 'y', current: 'x' }))
    expect(onSignedOut).not.toHaveBeenCalled()
    await failure(api.node())
    expect(onSignedOut).toHaveBeenCalledOnce()
  })

  it('lets no late answer of an earlier session end the one that has begun since', async () => {
    let answer: (response: Response) => void = () => undefined
    const { api, requests, onSignedOut } = apiOver(() => new Promise((resolve) => (answer = resolve)))
    const asked = failure(api.node())
    await vi.waitFor(() => expect(requests.length).toBe(1))
    writeSession({ secret: 'another.secret', officer: { id: 'o1', name: 'Hòa' }, passwordSet: true })
    answer(json(401, { code: 'unauthenticated', detail: 'Chưa đăng nhập.' }))
    expect(await asked).toMatchObject({ code: 'unauthenticated' })
    expect(onSignedOut).not.toHaveBeenCalled()
  })

  it('says that the node is not there when nothing answers', async () => {
    const { api } = apiOver(() => Promise.reject(new TypeError('fetch failed')))
    expect(await failure(api.node())).toMatchObject({ code: 'unreachable', status: 0 })
  })

  it('takes an empty answer', async () => {
    await expect(apiOver(() => json(204, null)).api.signOut()).resolves.toBeUndefined()
  })
})

describe('problems', () => {
  it('keep the meaning of the status when the body is none of ours', () => {
    expect(problemFrom(413, '<html>')).toMatchObject({ code: 'too_large', detail: '' })
    expect(problemFrom(418, { code: 'teapot' })).toMatchObject({ code: 'internal', status: 418 })
    expect(problemFrom(422, { code: 'invalid', errors: [null, { location: 3 }] }).errors).toEqual([
      { location: '', message: '' },
      { location: '', message: '' },
    ])
  })

  it('find the field in a location, with an index or body. before it, and keep the rest', () => {
    const errors = [
      { location: 'values.Ten', message: 'a' },
      { location: 'body.values.DoTheo[2]', message: 'b' },
      { location: 'values.Ten', message: 'c' },
      { location: 'version', message: 'd' },
    ]
    expect(errorsByField(new Problem('invalid', 422, '', errors))).toEqual({ fields: { Ten: 'a c', DoTheo: 'b' }, others: ['d'] })
  })
})

describe('the session', () => {
  it('lives in sessionStorage and survives damage there', () => {
    expect(readSession()?.secret).toBe('tag.secret')
    sessionStorage.setItem('vungxa.session', '{')
    expect(readSession()).toBeNull()
    expect(sessionStorage.getItem('vungxa.session')).toBeNull()
  })

  it('takes the one-time code out of the address at once', () => {
    history.replaceState(null, '', '/kpi#code=AAAA-BBBB')
    expect(takeSignInCode(location, history)).toBe('AAAA-BBBB')
    expect(location.pathname + location.hash).toBe('/kpi')
    expect(takeSignInCode(location, history)).toBeNull()
  })
})
