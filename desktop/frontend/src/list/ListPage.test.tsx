import { screen, waitFor } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { describe, expect, it, vi } from 'vitest'
import type { Page, Search } from '../api/types'
import { boat, boats, kpis, nodeState, schema } from '../testing/pack'
import { draw, fakeApi } from '../testing/render'
import { ListPage } from './ListPage'

const page = <ListPage schema={schema} collection={boats} />

/** Two pages of boats; remembers what it was asked. */
function searching() {
  const asked: Search[] = []
  const search = vi.fn((_: string, query: Search): Promise<Page> => {
    asked.push(query)
    const second = query.cursor === 'p2'
    const items = [boat({ Ten: second ? 'Sao Hôm' : 'Sao Mai' }, { id: second ? 'b2' : 'b1', title: second ? 'Sao Hôm' : 'Sao Mai' })]
    return Promise.resolve({ items, total: 2013, next: second ? null : 'p2', as_of_ms: nodeState.now_ms })
  })
  return { asked, search }
}

const last = (asked: Search[]) => asked.at(-1)

describe('a list', () => {
  it('shows the columns of the pack, the tick in words, and how many there are as of when', async () => {
    await draw(page, { api: fakeApi(searching()) })
    expect(await screen.findByText('Sao Mai')).toBeDefined()
    expect(screen.getAllByRole('columnheader').map((head) => head.textContent)).toEqual(['So (vi)', 'Ten (vi)', 'NgayDen (vi)', 'TinhTrang (vi)', 'Đã tới đâu'])
    expect(screen.getByText('Đã đến')).toBeDefined()
    expect(screen.getByRole('row', { name: /Sao Mai/ }).textContent).toContain('đã lưu tại đây')
    expect(screen.getByText(/Có 2\.013 bản ghi · tính đến 23\/11\/2026 10:00/)).toBeDefined()
  })

  it('says of a damaged record that it is here and damaged', async () => {
    const search = () => Promise.resolve({ items: [boat({}, { damaged: true })], total: 1, next: null, as_of_ms: nodeState.now_ms })
    await draw(page, { api: fakeApi({ search }) })
    expect(await screen.findByText(/Bản ghi này bị hỏng/)).toBeDefined()
  })

  it('pages by the cursor of the node, forth and back, by keys too', async () => {
    const { asked, search } = searching()
    await draw(page, { api: fakeApi({ search }) })
    await screen.findByText('Sao Mai')
    await userEvent.keyboard(']')
    expect(await screen.findByText('Sao Hôm')).toBeDefined()
    expect(last(asked)?.cursor).toBe('p2')
    expect(screen.getByText('51–51 trên 2.013')).toBeDefined()
    await userEvent.click(screen.getByRole('button', { name: 'Trang trước' }))
    expect(await screen.findByText('Sao Mai')).toBeDefined()
  })

  it('asks the node for text and goes back to the first page', async () => {
    const { asked, search } = searching()
    await draw(page, { api: fakeApi({ search }) })
    await screen.findByText('Sao Mai')
    await userEvent.keyboard(']')
    await screen.findByText('Sao Hôm')
    await userEvent.keyboard('/ban pho{Enter}')
    await waitFor(() => expect(last(asked)).toMatchObject({ text: 'ban pho' }))
    expect(last(asked)).not.toHaveProperty('cursor')
  })

  it('sorts by a column, then the other way', async () => {
    const { asked, search } = searching()
    await draw(page, { api: fakeApi({ search }) })
    await screen.findByText('Sao Mai')
    await userEvent.click(screen.getByRole('button', { name: /^Ten/ }))
    await waitFor(() => expect(last(asked)?.sort).toEqual({ field: 'Ten', desc: false }))
    await userEvent.click(screen.getByRole('button', { name: /^Ten/ }))
    await waitFor(() => expect(last(asked)?.sort).toEqual({ field: 'Ten', desc: true }))
    expect(screen.getByRole('columnheader', { name: /^Ten/ }).getAttribute('aria-sort')).toBe('descending')
  })

  it('has a filter for each field that the pack marks, and clears them all', async () => {
    const { asked, search } = searching()
    await draw(page, { api: fakeApi({ search }) })
    await screen.findByText('Sao Mai')
    await userEvent.click(screen.getByRole('button', { name: 'Bộ lọc' }))
    await userEvent.type(screen.getByRole('textbox', { name: 'NgayDen (vi), từ' }), '1/11/2026')
    await waitFor(() => expect(last(asked)?.filters).toEqual([{ field: 'NgayDen', op: 'from', value: '2026-11-01' }]))
    await userEvent.click(screen.getByRole('checkbox', { name: 'Hang (vi): để trống' }))
    await waitFor(() => expect(last(asked)?.filters).toContainEqual({ field: 'Hang', op: 'empty' }))
    await userEvent.click(screen.getByRole('button', { name: 'Bỏ lọc' }))
    expect(screen.queryByRole('button', { name: 'Bỏ lọc' })).toBeNull()
    expect(screen.getByRole('textbox', { name: 'NgayDen (vi), từ' })).toHaveProperty('value', '')
  })

  it('offers overdue and open only where the pack has figures for the dates', async () => {
    await draw(page)
    await screen.findByText('Sao Mai')
    expect(screen.queryByRole('button', { name: 'Quá hạn' })).toBeNull()
    const sets = [{ collection: 'boats', label: { vi: '', en: '' }, figures: [], due_source: { vi: '', en: '' } }]
    await draw(page, { api: fakeApi({ kpis: () => Promise.resolve({ ...kpis, sets }) }) })
    expect(await screen.findByRole('button', { name: 'Quá hạn' })).toBeDefined()
  })

  it('shows the deleted in place of the others, newest first, and takes one back', async () => {
    const gone = boat({}, { version: 'v9', deleted: { officer: 'Vàng A Páo', device_name: 'Hộp xã', at_ms: nodeState.now_ms } })
    const deleted = vi.fn(() => Promise.resolve({ items: [gone], total: 1, next: null }))
    const restore = vi.fn(() => Promise.resolve(boat()))
    await draw(page, { api: fakeApi({ ...searching(), deleted, restore }) })
    await screen.findByText('Sao Mai')
    const filter = screen.getByRole('button', { name: 'Đã xóa' })
    await userEvent.click(filter)
    expect(await screen.findByText('Vàng A Páo')).toBeDefined()
    expect(document.activeElement).toBe(filter)
    expect(screen.queryByRole('searchbox')).toBeNull()
    await userEvent.click(screen.getByRole('button', { name: 'Khôi phục Sao Mai' }))
    await waitFor(() => expect(restore).toHaveBeenCalledWith('boats', 'b1', 'v9'))
    await userEvent.click(screen.getByRole('button', { name: 'Bỏ lọc' }))
    expect(await screen.findByRole('searchbox')).toBeDefined()
  })

  it('offers nothing new on a page that is for viewing', async () => {
    await draw(page, { api: fakeApi({ node: () => Promise.resolve({ ...nodeState, read_only: true }) }) })
    await screen.findByText('Sao Mai')
    expect(screen.queryByRole('button', { name: /Thêm mới/ })).toBeNull()
  })
})
