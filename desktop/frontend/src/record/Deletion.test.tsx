import { screen, waitFor } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { expect, it, vi } from 'vitest'
import { Problem } from '../api/problem'
import type { Rec } from '../api/types'
import { navigate } from '../app/router'
import { boat, boats, schema } from '../testing/pack'
import { draw, fakeApi } from '../testing/render'
import { RecordPage } from './RecordPage'

const page = <RecordPage schema={schema} collection={boats} id="b1" editing={false} />
const deletion = { officer: 'Vàng A Páo', device_name: 'Hộp xã', at_ms: Date.UTC(2026, 10, 23, 9, 30) }
const gone = (more: Partial<Rec> = {}) => boat({}, { version: 'v9', deleted: deletion, ...more })

it('asks once, says what a deletion does, and offers the way back at once', async () => {
  let now = boat()
  const remove = vi.fn(() => Promise.resolve((now = gone())))
  const restore = vi.fn(() => Promise.resolve((now = boat())))
  await draw(page, { api: fakeApi({ remove, restore, record: () => Promise.resolve(now) }) })
  await screen.findByRole('button', { name: /^Sửa/ })
  await userEvent.keyboard('{Delete}')
  await screen.findByText(/Nó không mất/)
  expect(screen.getByText(/ít nhất là 90 ngày/)).toBeDefined()
  expect(document.activeElement?.textContent).toBe('Thôi, giữ lại')
  await userEvent.tab()
  await userEvent.keyboard('{Enter}')
  await waitFor(() => expect(remove).toHaveBeenCalledWith('boats', 'b1', 'v1'))
  const back = await screen.findByRole('button', { name: 'Khôi phục' })
  expect(screen.getByText(/Vàng A Páo đã xóa bản ghi này lúc 23\/11\/2026 16:30/)).toBeDefined()
  expect(screen.queryByRole('button', { name: /^Sửa/ })).toBeNull()
  await waitFor(() => expect(document.activeElement).toBe(back))
  await userEvent.keyboard('{Enter}')
  await waitFor(() => expect(restore).toHaveBeenCalledWith('boats', 'b1', 'v9'))
  await screen.findByRole('button', { name: /^Sửa/ })
})

it('closes the question by Escape, and stays on the record', async () => {
  navigate('/c/boats/r/b1')
  await draw(page)
  await screen.findByRole('button', { name: /^Sửa/ })
  await userEvent.keyboard('{Delete}')
  await screen.findByText(/Nó không mất/)
  await userEvent.keyboard('{Escape}')
  await waitFor(() => expect(screen.queryByText(/Nó không mất/)).toBeNull())
  expect(location.pathname).toBe('/c/boats/r/b1')
})

it('keeps the dialog and says what to do when the node refuses', async () => {
  const remove = vi.fn(() => Promise.reject(new Problem('read_only', 403, 'Đĩa đầy, máy chỉ còn xem.')))
  await draw(page, { api: fakeApi({ remove }) })
  await screen.findByRole('button', { name: /^Sửa/ })
  await userEvent.keyboard('{Delete}{Tab}')
  await userEvent.click(screen.getAllByRole('button', { name: 'Xóa' }).at(-1) ?? document.body)
  expect(await screen.findByText('Đĩa đầy, máy chỉ còn xem.')).toBeDefined()
  expect(screen.getByText(/Nó không mất/)).toBeDefined()
})

it('lets a person decide about a record that was edited after its deletion', async () => {
  const remove = vi.fn(() => Promise.resolve(gone()))
  await draw(page, { api: fakeApi({ remove, record: () => Promise.resolve(gone({ edited: true })) }) })
  expect(await screen.findByText(/khi chưa biết việc xóa/)).toBeDefined()
  expect(screen.getByRole('button', { name: 'Khôi phục bản ghi' })).toBeDefined()
  await userEvent.click(screen.getByRole('button', { name: 'Giữ việc xóa' }))
  await waitFor(() => expect(remove).toHaveBeenCalledWith('boats', 'b1', 'v9'))
})
