import { screen, waitFor, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { expect, it, vi } from 'vitest'
import type { Rec, Sibling } from '../api/types'
import { boat, boats, schema } from '../testing/pack'
import { draw, fakeApi } from '../testing/render'
import { RecordView } from './RecordView'

const view = (record: Rec, readOnly = false) => <RecordView schema={schema} collection={boats} record={record} readOnly={readOnly} />

const sibling = (value: Sibling['value'], shown: boolean, more: Partial<Sibling> = {}): Sibling => ({
  value,
  shown,
  officer: shown ? 'Lò Thị Hòa' : 'Vàng A Páo',
  device: 'd',
  device_name: shown ? 'Máy xách tay' : 'Hộp xã',
  at_ms: Date.UTC(2026, 10, 23, 9, 30),
  tick: 'here',
  ...more,
})

const conflicted = boat(
  { BenDau: '01' },
  { version: 'v5', conflicts: ['BenDau'], cells: { BenDau: { conflict: true, siblings: [sibling('01', true), sibling(null, false)] } } },
)

it('shows both sides of a conflict with who, where and when, and settles by a choice', async () => {
  const change = vi.fn(() => Promise.resolve(boat()))
  await draw(view(conflicted), { api: fakeApi({ change }) })
  const table = screen.getByRole('table', { name: 'BenDau (vi)' })
  expect(within(table).getByText('Bến Thượng')).toBeDefined()
  expect(within(table).getByText('(để trống)')).toBeDefined()
  expect(within(table).getByText('Vàng A Páo')).toBeDefined()
  expect(within(table).getAllByText('23/11/2026 16:30').length).toBe(2)
  expect(within(table).getByText('đang hiển thị')).toBeDefined()
  await userEvent.click(within(table).getByRole('button', { name: /\(để trống\)/ }))
  await waitFor(() => expect(change).toHaveBeenCalledWith('boats', 'b1', { version: 'v5', values: { BenDau: null } }))
})

it('offers no change on a page that is for viewing', async () => {
  await draw(view(conflicted, true))
  expect(screen.queryAllByRole('button').map((button) => button.textContent)).toEqual([expect.stringContaining('Lịch sử')])
  expect(screen.getByText('Bến Thượng', { selector: 'dd span' })).toBeDefined()
})

it('offers the next statuses of the pack and sends the version that was seen', async () => {
  const change = vi.fn(() => Promise.resolve(boat()))
  await draw(view(boat()), { api: fakeApi({ change }) })
  const moves = within(screen.getByRole('group', { name: 'Chuyển sang' })).getAllByRole('button')
  expect(moves.map((button) => button.textContent)).toEqual(['→ Đang đỗ', '→ Đã rời'])
  await userEvent.click(screen.getByRole('button', { name: /Đã rời/ }))
  await waitFor(() => expect(change).toHaveBeenCalledWith('boats', 'b1', { version: 'v1', values: { TinhTrang: 'roi' } }))
})

it('marks a temporary code, says what is missing, and puts flags beside their fields', async () => {
  const flags = [{ check: 'c', message: { vi: 'Đến sau khi rời', en: 'Came after it left' }, fields: ['NgayDen'] }]
  const { container } = await draw(view(boat({}, { flags })))
  expect(screen.getByText('mã tạm')).toBeDefined()
  expect(container.querySelector('[data-field="NgayDen"]')?.textContent).toContain('Đến sau khi rời')
  expect(container.querySelector('[data-field="SoNguoi"]')?.textContent).toContain('chưa có')
})

it.each([
  ['here', ['xong', 'chưa', 'chưa'], 'Chưa có biên nhận của máy nào khác'],
  ['office', ['xong', 'xong', 'chưa'], 'Tỉnh chưa ký'],
  ['province', ['xong', 'xong', 'xong'], 'Tỉnh đã ký biên nhận sau khi ghi chắc chắn'],
] as const)('tells in words where a record at "%s" has got to', async (tick, states, sentence) => {
  await draw(view(boat({}, { tick })))
  const card = screen.getByRole('region', { name: 'Đã tới đâu' })
  expect(within(card).getAllByText(/^(xong|chưa)$/).map((step) => step.textContent)).toEqual(states)
  expect(card.textContent).toContain(sentence)
})
