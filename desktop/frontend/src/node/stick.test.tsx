import { screen, waitFor } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { expect, it, vi } from 'vitest'
import type { StickContents, StickFile, StickPlaces, StickSwapped } from '../api/types'
import { draw, fakeApi } from '../testing/render'
import { StickPage } from './StickPage'

const path = '/media/canbo/USB'
const places: StickPlaces = {
  ready: true,
  sticks: [{ path, label: 'USB', free: 3 * 1024 ** 3 }],
  readers: [
    { device: 'p', name: 'Máy chủ tỉnh', role: 'province', connected: false, key: true, carried: 12 },
    { device: 'l', name: 'Máy xách tay', role: 'laptop', connected: true, key: true, carried: 0 },
    { device: 'o', name: 'Máy cũ', role: 'box', connected: false, key: false, carried: 0 },
  ],
}
const file: StickFile = {
  name: 'VXABCDEF.VXB', size: 2048, modified_ms: 0, state: 'ready', says: { vi: 'Gửi cho máy này; bấm nút để nhận.', en: 'For this device.' },
  by: 'Máy chủ tỉnh', to: [], readers: 1, part: 1, last: true, entries: 7, refused: [],
}
const contents: StickContents = { path, free: 1, files: [file] }
const done: StickSwapped = {
  path, entries: 7, receipts: 1, files: [{ ...file, state: 'taken', says: { vi: 'Đã nhận.', en: 'Taken in.' } }],
  written: [{ device: 'p', name: 'Máy chủ tỉnh', files: ['VXBBBBBB.VXB'], bytes: 4096, entries: 300, attachments: 2, more: true, problem: null, read_only: false }],
}

function open(more: Parameters<typeof fakeApi>[0] = {}) {
  const swapStick = vi.fn(() => Promise.resolve(done))
  const api = fakeApi({ sticks: () => Promise.resolve(places), stick: () => Promise.resolve(contents), swapStick, ...more })
  return { swapStick, drawn: draw(<StickPage />, { api }) }
}

it('shows what the only stick carries, and proposes whom no line reaches', async () => {
  await open().drawn
  expect(await screen.findByText('từ Máy chủ tỉnh')).toBeDefined()
  expect(screen.getByText('7 lần lưu · 2 KB')).toBeDefined()
  expect(screen.getByRole<HTMLInputElement>('checkbox', { name: 'Máy chủ tỉnh' }).checked).toBe(true)
  expect(screen.getByRole<HTMLInputElement>('checkbox', { name: 'Máy xách tay' }).checked).toBe(false)
  expect(screen.getByRole<HTMLInputElement>('checkbox', { name: 'Máy cũ' }).disabled).toBe(true)
  expect(screen.getByText('không có đường · đang trên đường: 12 lần lưu')).toBeDefined()
})

it('does both ways with one button, by keyboard, and says what came of it', async () => {
  const { swapStick, drawn } = open()
  await drawn
  const button = await screen.findByRole('button', { name: 'Nhận từ USB và ghi lên USB' })
  button.focus()
  await userEvent.keyboard('{Enter}')
  expect(await screen.findByText('Đã nhận 7 lần lưu và 1 biên nhận.')).toBeDefined()
  expect(swapStick).toHaveBeenCalledWith({ path, to: ['p'] })
  expect(screen.getByText(/Đã ghi cho Máy chủ tỉnh: 300 lần lưu, 1 tệp, 4 KB\. Kèm 2 tệp đính kèm\. Chưa đủ chỗ/)).toBeDefined()
  await userEvent.click(screen.getByRole('checkbox', { name: 'Chỉ ghi phần mà USB trước không còn chỗ' }))
  await userEvent.click(button)
  await waitFor(() => expect(swapStick).toHaveBeenLastCalledWith({ path, to: ['p'], go_on: true }))
})

it('takes a path that is typed, and asks for a stick where there is none', async () => {
  const stick = vi.fn(() => Promise.resolve({ ...contents, files: [] }))
  const { swapStick, drawn } = open({ sticks: () => Promise.resolve({ ...places, sticks: [] }), stick })
  await drawn
  expect((await screen.findByRole<HTMLButtonElement>('button', { name: 'Nhận từ USB và ghi lên USB' })).disabled).toBe(true)
  await userEvent.type(screen.getByRole('textbox'), '/srv/usb{Enter}')
  await waitFor(() => expect(swapStick).toHaveBeenCalledWith({ path: '/srv/usb', to: ['p'] }))
})

it('says that a stick brings nothing, and once why nothing was written', async () => {
  const empty: StickSwapped = {
    path, entries: 0, receipts: 0, files: [],
    written: [{ device: 'p', name: 'Máy chủ tỉnh', files: [], bytes: 0, entries: 0, attachments: 0, more: true, read_only: false, problem: { vi: 'USB hết chỗ, chưa ghi được gì.', en: 'The stick is full.' } }],
  }
  await open({ swapStick: () => Promise.resolve(empty) }).drawn
  await userEvent.click(await screen.findByRole('button', { name: 'Nhận từ USB và ghi lên USB' }))
  expect(await screen.findByText('USB không mang gì cho máy này.')).toBeDefined()
  expect(screen.getByText('Máy chủ tỉnh: USB hết chỗ, chưa ghi được gì.')).toBeDefined()
  expect(screen.queryByText(/Chưa đủ chỗ/)).toBeNull()
})
