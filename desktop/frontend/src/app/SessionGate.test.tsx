import { act, screen, waitFor } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { beforeEach, expect, it, vi } from 'vitest'
import { Problem } from '../api/problem'
import { readSession, writeSession, type StoredSession } from '../api/session'
import { draw, fakeApi } from '../testing/render'
import { useSession } from './session'
import { SessionGate, type Phase } from './SessionGate'

const hoa = { id: 'o1', name: 'Lò Thị Hòa' }
const pao = { id: 'o2', name: 'Vàng A Páo' }
const session: StoredSession = { secret: 's1', officer: hoa, passwordSet: true }

let expire = () => {}

function Page() {
  const { session: mine, signOut } = useSession()
  return (
    <>
      <h1>{mine.officer.name}</h1>
      <input aria-label="draft" />
      <button onClick={signOut}>out</button>
    </>
  )
}

async function gate(first: Phase, signIn = vi.fn(() => Promise.resolve({ secret: 's2', officer: hoa, password_set: true })), code: string | null = null) {
  const api = fakeApi({ signIn, officers: () => Promise.resolve([hoa, pao]) })
  await draw(
    <SessionGate api={api} first={first} code={code} onSignedOut={(listener) => (expire = listener)}>
      <Page />
    </SessionGate>,
    { api },
  )
  return { api, signIn }
}

beforeEach(() => writeSession(session))

it('hides a half-written form when the session ends and gives it back to the same officer', async () => {
  await gate({ kind: 'in', session })
  await userEvent.type(screen.getByLabelText('draft'), 'dở dang')
  act(expire)
  expect(readSession()).toBeNull()
  expect(screen.queryByRole('textbox', { name: 'draft' })).toBeNull()
  expect(screen.getByText(/Phiên làm việc đã hết/)).toBeDefined()
  await userEvent.type(await screen.findByLabelText('Mật khẩu'), 'mật khẩu{Enter}')
  await waitFor(() => expect(screen.getByRole('textbox', { name: 'draft' })).toHaveProperty('value', 'dở dang'))
  expect(readSession()?.secret).toBe('s2')
})

it('gives nothing of it to another officer', async () => {
  await gate({ kind: 'in', session }, vi.fn(() => Promise.resolve({ secret: 's3', officer: pao, password_set: true })))
  await userEvent.type(screen.getByLabelText('draft'), 'dở dang')
  act(expire)
  await userEvent.type(await screen.findByLabelText('Mật khẩu'), 'x{Enter}')
  await screen.findByRole('heading', { name: pao.name })
  expect(screen.getByRole('textbox', { name: 'draft' })).toHaveProperty('value', '')
})

it('uses the code of the link once, then offers to set a password', async () => {
  const signIn = vi.fn(() => Promise.resolve({ secret: 's2', officer: hoa, password_set: false }))
  await gate({ kind: 'out', reason: 'none' }, signIn, 'AAAA-BBBB')
  expect(await screen.findByRole('dialog', { name: /Đặt mật khẩu/ })).toBeDefined()
  expect(signIn).toHaveBeenCalledExactlyOnceWith({ code: 'AAAA-BBBB' })
  await userEvent.click(screen.getByRole('button', { name: 'Để sau' }))
  expect(screen.queryByRole('dialog')).toBeNull()
  await userEvent.click(screen.getByText('out'))
  await screen.findByText('Đã đăng xuất.')
  expect(signIn).toHaveBeenCalledOnce()
})

it('says what the node says of a code that is no longer good, and leaves the password to try', async () => {
  const refused = vi.fn(() => Promise.reject(new Problem('unauthenticated', 401, 'Mã này đã dùng.')))
  await gate({ kind: 'out', reason: 'none' }, refused, 'AAAA')
  expect(await screen.findByText('Mã này đã dùng.')).toBeDefined()
  expect(screen.getByLabelText('Mật khẩu')).toBeDefined()
})

it('forgets the session at once on signing out, even when the node can not be told', async () => {
  const { api } = await gate({ kind: 'in', session })
  vi.mocked(api.signOut).mockRejectedValueOnce(new Problem('unreachable', 0, ''))
  await userEvent.click(screen.getByText('out'))
  expect(await screen.findByText('Đã đăng xuất.')).toBeDefined()
  expect(readSession()).toBeNull()
})
