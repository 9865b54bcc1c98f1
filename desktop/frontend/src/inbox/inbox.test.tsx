import { screen, waitFor } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { describe, expect, it, vi } from 'vitest'
import type { InboxItem } from '../api/types'
import { NewPage, RecordPage } from '../record/RecordPage'
import { boat, boats, nodeState, schema } from '../testing/pack'
import { draw, fakeApi } from '../testing/render'
import { InboxLink } from './InboxLink'
import { InboxPage } from './InboxPage'

const item = (kind: InboxItem['kind'], more: Partial<InboxItem> = {}): InboxItem => ({
  kind,
  id: `${kind}.1`,
  collection: 'boats',
  record: 'b1',
  title: 'Sao Mai',
  version: 'v4',
  conflicts: [],
  officer: 'Vàng A Páo',
  device_name: 'Máy xách tay',
  at_ms: Date.UTC(2026, 10, 23, 9, 30),
  wrote: [],
  ...more,
})
const edited = item('edited', { deleted: { officer: 'Lò Thị Hòa', device_name: 'Hộp xã', at_ms: Date.UTC(2026, 10, 22, 2) } })
const late = item('late', { title: '', wrote: [{ field: 'Ten', what: 'written', value: 'Sao Hôm' }, { field: 'NgayDen', what: 'written', value: '2026-11-03' }, { what: 'unread' }] })
const conflict = item('conflict', { conflicts: ['BenDau'], device_name: '' })
const fork = item('fork', { collection: '', record: '', title: '', officer: '', device_name: 'Hộp xã' })
const counts = { forks: 1, refused: 2, edited: 1, late: 1, conflicts: 1000, counted_to: 1000 }

const page = <InboxPage schema={schema} />
const inboxOf = (...items: InboxItem[]) => ({ inbox: vi.fn(() => Promise.resolve({ items, next: null })), inboxCounts: () => Promise.resolve(counts) })

describe('the inbox', () => {
  it('tells each kind in a sentence, with what settles it', async () => {
    await draw(page, { api: fakeApi(inboxOf(edited, late, conflict)) })
    expect(await screen.findByText(/Vàng A Páo \(Máy xách tay\) đã sửa lúc 23\/11\/2026 16:30, khi chưa biết Lò Thị Hòa đã xóa bản ghi này lúc 22\/11\/2026 09:00/)).toBeDefined()
    expect(screen.getByText(/mọi máy đã xóa và đã dọn/)).toBeDefined()
    expect(screen.getByText('03/11/2026')).toBeDefined()
    expect(screen.getByText(/hai nơi cùng sửa BenDau \(vi\)/)).toBeDefined()
    expect(screen.getByRole('link', { name: 'Xem và chọn giá trị: Sao Mai' }).getAttribute('href')).toBe('/c/boats/r/b1')
    expect(screen.getByRole('button', { name: 'Xung đột (1.000+)' })).toBeDefined()
  })

  it('tells of a device with two logs, which the province settles', async () => {
    await draw(page, { api: fakeApi(inboxOf(fork, { ...fork, id: 'fork.2', device_name: '', decided: true })) })
    const told = await screen.findByText(/hai bản nhật ký .* nhận ra lúc 23\/11\/2026 16:30\. Không dữ liệu nào bị mất.*Hãy báo người quản trị của tỉnh, và đừng dùng/)
    expect(told.textContent).toMatch(/^Hộp xã: /)
    expect(screen.getByText(/Tỉnh đã chọn bản giữ tên/).textContent).toMatch(/^Máy chưa rõ tên: /)
    expect(screen.getByRole('button', { name: 'Máy có hai nhật ký (1)' })).toBeDefined()
    expect(screen.queryByRole('link', { name: /Xem/ })).toBeNull()
  })

  it('restores or keeps the deletion on the version that was seen', async () => {
    const restore = vi.fn(() => Promise.resolve(boat()))
    const remove = vi.fn(() => Promise.resolve(boat()))
    await draw(page, { api: fakeApi({ ...inboxOf(edited), restore, remove }) })
    await userEvent.click(await screen.findByRole('button', { name: /^Khôi phục bản ghi/ }))
    await waitFor(() => expect(restore).toHaveBeenCalledWith('boats', 'b1', 'v4'))
    await userEvent.click(screen.getByRole('button', { name: /^Giữ việc xóa/ }))
    await waitFor(() => expect(remove).toHaveBeenCalledWith('boats', 'b1', 'v4'))
  })

  it('makes a new record of a late save, and takes that off the list', async () => {
    const dismiss = vi.fn(() => Promise.resolve(undefined))
    const create = vi.fn(() => Promise.resolve(boat()))
    const api = fakeApi({ ...inboxOf(late), dismiss, create })
    const { unmount } = await draw(page, { api })
    await userEvent.click(await screen.findByRole('button', { name: 'Lập bản ghi mới từ nội dung này' }))
    expect(location.pathname).toBe('/c/boats/new')
    unmount()
    await draw(<NewPage schema={schema} collection={boats} />, { api })
    expect(screen.getByLabelText('Ten (vi)', { selector: 'input' })).toHaveProperty('value', 'Sao Hôm')
    await userEvent.keyboard('{Control>}{Enter}{/Control}')
    await waitFor(() => expect(create).toHaveBeenCalledWith('boats', { Ten: 'Sao Hôm', NgayDen: '2026-11-03' }))
    await waitFor(() => expect(dismiss).toHaveBeenCalledWith('late.1'))
  })

  it('opens the form with what was refused, and sends it again as it is', async () => {
    const why = { vi: 'Dấu niêm phong không đúng.', en: 'The seal is wrong.' }
    const refused = item('refused', { why, by: 'Hộp xã', wrote: [{ field: 'BenDau', what: 'written', value: '02' }, { what: 'created' }] })
    const change = vi.fn(() => Promise.resolve(boat()))
    const api = fakeApi({ ...inboxOf(refused, item('refused', { id: 'refused.2', record: 'b2', why, gone: true, wrote: [{ field: 'Ten', what: 'written', value: 'Sao Hôm' }] })), change, record: () => Promise.resolve(boat({ BenDau: '02' })) })
    const { unmount } = await draw(page, { api })
    expect(await screen.findByText(/đã lưu lúc 23\/11\/2026 16:30, nhưng Hộp xã không nhận: Dấu niêm phong không đúng/)).toBeDefined()
    expect(screen.getByRole('button', { name: 'Lập bản ghi mới từ nội dung này' })).toBeDefined()
    await userEvent.click(screen.getByRole('button', { name: /^Sửa và gửi lại/ }))
    expect(location.pathname).toBe('/c/boats/r/b1/edit')
    unmount()
    await draw(<RecordPage schema={schema} collection={boats} id="b1" editing />, { api })
    expect(await screen.findByText(/sẽ được gửi lại như một lần lưu mới/)).toBeDefined()
    await userEvent.keyboard('{Control>}{Enter}{/Control}')
    await waitFor(() => expect(change).toHaveBeenCalledWith('boats', 'b1', { version: 'v1', values: { BenDau: '02' }, again: true }))
  })

  it('takes what is refused off the list', async () => {
    const dismiss = vi.fn(() => Promise.resolve(undefined))
    await draw(page, { api: fakeApi({ ...inboxOf(item('refused', { why: { vi: 'Máy đó đã bị thu hồi.', en: 'Revoked.' } })), dismiss }) })
    await screen.findByText(/Máy đó đã bị thu hồi/)
    await userEvent.click(screen.getByRole('button', { name: /^Đã xem/ }))
    await waitFor(() => expect(dismiss).toHaveBeenCalledWith('refused.1'))
  })

  it('asks for one kind, and for the pages of it', async () => {
    const inbox = vi.fn(({ cursor }: { cursor?: string }) => Promise.resolve({ items: [conflict], next: cursor === undefined ? 'p2' : null }))
    await draw(page, { api: fakeApi({ inbox, inboxCounts: () => Promise.resolve(counts) }) })
    await userEvent.click(await screen.findByRole('button', { name: /^Xung đột/ }))
    await waitFor(() => expect(inbox).toHaveBeenLastCalledWith({ kind: 'conflict' }))
    await screen.findByText(/hai nơi cùng sửa/)
    await userEvent.keyboard(']')
    await waitFor(() => expect(inbox).toHaveBeenLastCalledWith({ kind: 'conflict', cursor: 'p2' }))
  })

  it('settles nothing on a page that is for viewing', async () => {
    await draw(page, { api: fakeApi({ ...inboxOf(edited, late), node: () => Promise.resolve({ ...nodeState, read_only: true }) }) })
    await screen.findByText(/mọi máy đã xóa và đã dọn/)
    expect(screen.queryByRole('button', { name: /Khôi phục|Giữ việc xóa|Lập bản ghi|bỏ khỏi/ })).toBeNull()
    expect(screen.getByText(/giải quyết tại cơ quan xã/)).toBeDefined()
  })

  it('shows in the header how much waits', async () => {
    await draw(<InboxLink />, { api: fakeApi({ inboxCounts: () => Promise.resolve({ ...counts, conflicts: 3 }) }) })
    expect((await screen.findByRole('link', { name: /Việc cần xem/ })).textContent).toContain('8')
  })
})
