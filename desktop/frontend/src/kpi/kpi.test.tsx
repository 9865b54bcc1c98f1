import { screen, within } from '@testing-library/react'
import { expect, it } from 'vitest'
import type { Figure, Kpis } from '../api/types'
import { showShare } from '../format/number'
import { kpis, nodeState } from '../testing/pack'
import { draw, fakeApi } from '../testing/render'
import { KpiPage } from './KpiPage'
import { KpiStrip } from './KpiStrip'

const both = (text: string) => ({ vi: text, en: text })

const figure = (id: string, value: number | null, more: Partial<Figure> = {}): Figure => ({ id, label: both(id), unit: 'count', value, ...more })

const answer: Kpis = {
  ...kpis,
  sets: [
    {
      collection: 'boats',
      label: both('Thuyền'),
      due_source: both('theo hạn đã lưu'),
      figures: [figure('received', 0), figure('open', 1234), figure('on_time', null, { unit: 'share' }), figure('undated', 3)],
    },
  ],
  coverage: {
    complete: false,
    devices: [
      { device: 'a', name: 'Hộp xã', role: 'box', last_heard_ms: null, newest_entry_ms: null, entries: 0, self: false },
      { device: 'b', name: 'Tỉnh', role: 'province', last_heard_ms: null, newest_entry_ms: Date.UTC(2026, 10, 1), entries: 9, self: true },
    ],
  },
}

const api = () => fakeApi({ kpis: () => Promise.resolve(answer) })

const row = (name: string) => screen.getByRole('row', { name: new RegExp(`^${name}`) })

it('never shows a missing figure as zero, nor zero as missing', async () => {
  await draw(<KpiPage />, { api: api() })
  await screen.findByRole('table', { name: 'Thuyền' })
  expect(row('on_time').textContent).toContain('chưa có số')
  expect(within(row('received')).getByText('0')).toBeDefined()
  expect(within(row('open')).getByText('1.234')).toBeDefined()
  expect(screen.getByText(/theo hạn đã lưu/)).toBeDefined()
})

it('says which devices the figures cover and which were never heard from', async () => {
  await draw(<KpiPage />, { api: api() })
  await screen.findByRole('table', { name: 'Thuyền' })
  expect(row('Hộp xã').textContent).toContain('chưa nghe lần nào')
  expect(row('Tỉnh').textContent).toContain('chính máy này')
  expect(screen.getByText(/Có máy không nối trực tiếp/)).toBeDefined()
})

it('asks for the month of the office by the node’s clock', async () => {
  const asked: string[] = []
  const newYear = fakeApi({
    node: () => Promise.resolve({ ...nodeState, now_ms: Date.UTC(2026, 11, 31, 17) }),
    kpis: (month: string) => {
      asked.push(month)
      return Promise.resolve(answer)
    },
  })
  await draw(<KpiStrip />, { api: newYear })
  expect(await screen.findByText('Gồm 1/2 máy')).toBeDefined()
  expect(asked).toEqual(['2027-01'])
})

it('rounds no share up to all', () => {
  expect(showShare(0.9999, 'vi')).toBe('99,9%')
  expect(showShare(1, 'vi')).toBe('100%')
  expect(showShare(0.98123, 'en')).toBe('98.1%')
})
