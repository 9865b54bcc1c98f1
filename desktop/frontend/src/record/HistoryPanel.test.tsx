import { screen, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { expect, it, vi } from 'vitest'
import type { History, Saved, Value, Wrote } from '../api/types'
import { boat, boats, schema } from '../testing/pack'
import { draw, fakeApi } from '../testing/render'
import { HistoryPanel } from './HistoryPanel'

const at = Date.UTC(2026, 10, 23, 9, 30)

const wrote = (field: string, value: Value, more: Partial<Wrote> = {}): Wrote => ({ field, what: 'written', value, stands: false, conflict: false, replaced: [], lost: 0, ...more })

const saved = (id: string, of: Wrote[], more: Partial<Saved> = {}): Saved => ({
  id,
  officer: 'Vàng A Páo',
  device: 'd1',
  device_name: 'Hộp xã',
  at_ms: at,
  effective_ms: at,
  witnessed: false,
  suspect: false,
  tick: 'office',
  wrote: of,
  ...more,
})

const whole = (saves: Saved[], more: Partial<History> = {}): History => ({ saves, total: saves.length, next: null, older: false, damaged: 0, ...more })

async function open(...pages: History[]) {
  const history = vi.fn((_c: string, _id: string, cursor?: string) => Promise.resolve(pages[cursor === undefined ? 0 : Number(cursor)] ?? whole([])))
  await draw(<HistoryPanel schema={schema} collection={boats} record={boat()} />, { api: fakeApi({ history }) })
  expect(history).not.toHaveBeenCalled()
  await userEvent.keyboard('h')
  await screen.findByText(/Máy này có/)
  return history
}

it('tells each save: who, where, when, which fields, and what each value replaced', async () => {
  const before = { field: 'BenDau', what: 'written' as const, value: '01', officer: 'Lò Thị Hòa', device_name: 'Máy xách tay', at_ms: at }
  await open(whole([saved('s2', [wrote('BenDau', '02', { replaced: [before], stands: true })]), saved('s1', [{ ...wrote('', null), what: 'created' }])]))
  const [newest, oldest] = screen.getAllByRole('listitem').filter((item) => item.dataset.save !== undefined)
  if (newest === undefined || oldest === undefined) throw new Error('two saves should be there')
  for (const text of ['Vàng A Páo', 'Hộp xã', '23/11/2026 16:30', 'BenDau (vi)', 'Bến Hạ', 'Bến Thượng', '(Lò Thị Hòa)']) expect(within(newest).getByText(text)).toBeDefined()
  expect(within(oldest).getByText(/Lập bản ghi/)).toBeDefined()
})

it('says of a value that it is erased, hidden by a cut, or in a conflict, and of a time that it was held', async () => {
  await open(
    whole(
      [
        saved('s3', [{ field: 'GhiChu', what: 'erased', stands: true, conflict: false, replaced: [], lost: 1 }], { witnessed: true, effective_ms: at + 3_600_000, suspect: true }),
        saved('s2', [wrote('Ten', 'Giả', { hidden: 'device' })]),
        saved('s1', [wrote('Ten', 'Sao Mai', { conflict: true, stands: true })]),
      ],
      { older: true, damaged: 2 },
    ),
  )
  for (const text of [/đã bị xóa vĩnh viễn/, /thay cho 1 giá trị không còn/, /giờ được công nhận: 23\/11\/2026 17:30.*Đồng hồ/, /máy này đã bị thu hồi/, /song song/, /có thể đã được dọn/, /2 lần lưu bị hỏng/])
    expect(screen.getByText(text)).toBeDefined()
})

it('keeps a long history in pages, and a long save short until it is asked for', async () => {
  const many = Array.from({ length: 9 }, (_, i) => wrote('GhiChu', `chữ ${i}`))
  const history = await open(whole([saved('s2', many)], { total: 21, next: '1' }), whole([saved('s1', [wrote('Ten', 'Cũ')])], { total: 21 }))
  expect(screen.queryByText('chữ 8')).toBeNull()
  await userEvent.click(screen.getByRole('button', { name: 'Hiện thêm 3 trường' }))
  expect(screen.getByText('chữ 8')).toBeDefined()
  await userEvent.click(screen.getByRole('button', { name: 'Trang sau' }))
  expect(await screen.findByText('Cũ')).toBeDefined()
  expect(history).toHaveBeenLastCalledWith('boats', 'b1', '1')
  expect(screen.getByText('21–21 trên 21')).toBeDefined()
})
