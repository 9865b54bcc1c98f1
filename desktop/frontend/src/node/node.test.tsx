import { screen } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { expect, it, vi } from 'vitest'
import type { Peer } from '../api/types'
import { nodeState } from '../testing/pack'
import { draw, fakeApi } from '../testing/render'
import { DemoPage } from './DemoPage'
import { Checking } from './Checking'
import { Damage } from './Damage'
import { Lines } from './Lines'
import { Protection } from './Protection'
import { Unsent } from './Unsent'
import { Views } from './Views'

const peer = (more: Partial<Peer> = {}): Peer => ({ device: 'p', name: 'Hộp xã', role: 'box', connected: true, cut: false, last_contact_ms: Date.UTC(2026, 10, 23, 2), why_not: null, ...more })

it.each([
  [peer(), 'đang nối'],
  [peer({ connected: false }), 'không có đường · lần cuối 23/11/2026 09:00'],
  [peer({ connected: false, last_contact_ms: null }), 'không có đường · chưa liên lạc lần nào'],
  [peer({ connected: false, cut: true }), 'đã cắt (trình diễn) · lần cuối 23/11/2026 09:00'],
])('says in words how a line is', async (one, words) => {
  await draw(<Lines peers={[one]} />)
  expect(screen.getByText(words)).toBeDefined()
})

it('shows the lines that are down first where there are many', async () => {
  const peers = [1, 2, 3, 4, 5].map((n) => peer({ device: `p${n}`, name: `Máy ${n}`, connected: n !== 5 }))
  await draw(<Lines peers={peers} />)
  expect(screen.getAllByText(/^Máy/).map((name) => name.textContent)).toEqual(['Máy 5', 'Máy 1', 'Máy 2'])
  expect(screen.getByText('+2')).toBeDefined()
})

it('counts what waits and how long the oldest has, by the node’s clock', async () => {
  const api = fakeApi()
  await draw(<Unsent unsent={{ count: 12, oldest_ms: nodeState.now_ms - 3 * 86_400_000, carried: [{ name: 'Máy của Páo', count: 9, since_ms: 0 }] }} />, { api })
  expect(await screen.findByText('chưa gửi lâu nhất: 3 ngày · đang mang đi: 9')).toBeDefined()
  expect(screen.getByText('Chưa tới tỉnh: 12')).toBeDefined()
})

it('speaks of this device alone when nothing waits', async () => {
  await draw(<Unsent unsent={{ count: 0, oldest_ms: null, carried: [] }} />)
  expect(screen.getByText('Chưa tới tỉnh: 0')).toBeDefined()
  expect(screen.getByText('lần lưu có ở máy này')).toBeDefined()
})

it('cuts a line of the demo and says that it is cut', async () => {
  let cut = false
  const cutLine = vi.fn((_: string, wanted: boolean) => {
    cut = wanted
    return Promise.resolve(undefined)
  })
  const node = () => Promise.resolve({ ...nodeState, demo: true, peers: [peer({ cut, connected: !cut })] })
  await draw(<DemoPage />, { api: fakeApi({ cutLine, node }) })
  await userEvent.click(await screen.findByRole('button', { name: 'Cắt đường tới Hộp xã' }))
  expect(await screen.findByRole('button', { name: 'Nối lại đường tới Hộp xã' })).toBeDefined()
  expect(cutLine).toHaveBeenCalledWith('p', true)
})

it('says what a key beside the disk is worth, and that a slot is damaged', async () => {
  const says = { vi: 'Khóa nằm cùng đĩa với dữ liệu: ai lấy được đĩa thì mở được kho.', en: 'The key lies on the disk with the data: whoever takes the disk can open the store.' }
  await draw(<Protection protection={{ class: 'none', says, damaged: false, rotating: false }} />)
  expect(screen.getByText('Khóa đĩa: nằm cạnh đĩa')).toBeDefined()
  expect(screen.getByText('ai lấy được đĩa thì mở được kho')).toBeDefined()
  await userEvent.hover(screen.getByText('Khóa đĩa: nằm cạnh đĩa'))
  expect(await screen.findByText(says.vi)).toBeDefined()
  await draw(<Protection protection={{ class: 'password', says, damaged: true, rotating: false }} />)
  expect(screen.getByText(/Tệp khóa có chỗ hỏng/)).toBeDefined()
})

it('says that the store is damaged, and nothing when it is whole', async () => {
  await draw(<Damage damage={{ count: 2, read_only: true, since_ms: null }} />)
  expect(screen.getByText('Kho dữ liệu có 2 chỗ hỏng')).toBeDefined()
  expect(screen.getByText('chỉ còn xem; hãy chạy vungxa repair')).toBeDefined()
  await draw(<Damage damage={{ count: 0, read_only: false, since_ms: null }} />)
  expect(screen.queryByText('Kho dữ liệu có 0 chỗ hỏng')).toBeNull()
})

it('says that the store is being checked and how far, and nothing when it is', async () => {
  await draw(<Checking checking={{ left: 300_000_000, total: 1_200_000_000 }} />)
  expect(screen.getByText('Đang kiểm tra kho dữ liệu: 75 %')).toBeDefined()
  expect(screen.getByText(/còn 300\/1\.?200 MB/)).toBeDefined()
  await draw(<Checking checking={{ left: 0, total: 1_200_000_000 }} />)
  expect(screen.queryByText('Đang kiểm tra kho dữ liệu: 100 %')).toBeNull()
})

it('says that a view is being computed anew, and nothing when all are ready', async () => {
  const view = { name: 'kpi', state: 'computing', done: 1200, unread: 0, position: 4, store: 4 } as const
  await draw(<Views views={[view, { ...view, name: 'search', state: 'ready' }]} />)
  expect(screen.getByText(/Chỉ số đang tính lại \(1\.?200 hồ sơ\)/)).toBeDefined()
  expect(screen.queryByText(/Mục lục/)).toBeNull()
  await draw(<Views views={[{ ...view, state: 'ready', unread: 2 }]} />)
  expect(screen.getByText('2 hồ sơ bị hỏng, không có trong số liệu.')).toBeDefined()
})
