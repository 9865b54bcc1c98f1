import { screen, waitFor, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { describe, expect, it, vi } from 'vitest'
import { Problem } from '../api/problem'
import type { Rec } from '../api/types'
import { boat, boats, schema } from '../testing/pack'
import { draw, fakeApi } from '../testing/render'
import { RecordForm } from './RecordForm'

const onSaved = vi.fn()
const onCancel = vi.fn()

function form(record: Rec | null) {
  return <RecordForm schema={schema} collection={boats} record={record} onSaved={onSaved} onCancel={onCancel} />
}

const input = (name: string) => screen.getByLabelText(`${name} (vi)`, { selector: 'input, textarea' })

describe('a form of a collection that no code knows', () => {
  it('has an input for every field, with its marks and hints', async () => {
    await draw(form(null))
    for (const { name } of boats.fields) expect(screen.getAllByLabelText(`${name} (vi)`).length, name).toBeGreaterThan(0)
    expect(screen.getByText('chưa có văn bản gốc')).toBeDefined()
    expect(screen.getAllByText('theo nguồn thứ cấp').length).toBeGreaterThan(0)
    expect(screen.getByPlaceholderText('nn/tt/nnnn gg:pp')).toBeDefined()
  })

  it('opens with the first input to fill in under the keyboard, and saves by Ctrl+Enter, not by Enter', async () => {
    const create = vi.fn(() => Promise.resolve(boat()))
    await draw(form(null), { api: fakeApi({ create }) })
    const user = userEvent.setup()
    expect(document.activeElement).toBe(input('Ten'))
    await user.keyboard('Sao Mai{Enter}')
    expect(create).not.toHaveBeenCalled()
    await user.keyboard('{Control>}{Enter}{/Control}')
    await waitFor(() => expect(onSaved).toHaveBeenCalled())
    expect(create).toHaveBeenCalledWith('boats', { Ten: 'Sao Mai' })
  })

  it('sends nothing while a field is wrong, says so beside it, and puts the focus on the list of what is wrong', async () => {
    const create = vi.fn(() => Promise.resolve(boat()))
    await draw(form(null), { api: fakeApi({ create }) })
    const user = userEvent.setup()
    await user.type(input('NgayDen'), '31/04/2026{Control>}{Enter}{/Control}')
    const alert = screen.getByRole('alert')
    expect(within(alert).getByText(/Ten \(vi\)/)).toBeDefined()
    expect(input('NgayDen').getAttribute('aria-invalid')).toBe('true')
    expect(alert.contains(document.activeElement) || document.activeElement?.contains(alert)).toBe(true)
    await user.click(within(alert).getByText('NgayDen (vi)'))
    expect(document.activeElement).toBe(input('NgayDen'))
    expect(create).not.toHaveBeenCalled()
  })

  it('takes any text where no official list is known', async () => {
    const create = vi.fn(() => Promise.resolve(boat()))
    await draw(form(null), { api: fakeApi({ create }) })
    const user = userEvent.setup()
    await user.type(input('Ten'), 'A')
    await user.type(input('Hang'), 'muối')
    await user.keyboard('{Control>}{Enter}{/Control}')
    await waitFor(() => expect(create).toHaveBeenCalledWith('boats', { Ten: 'A', Hang: 'muối' }))
  })
})

describe('an edit', () => {
  it('sends the version it was opened on and only what was changed, whatever came since', async () => {
    const change = vi.fn(() => Promise.resolve(boat()))
    const { rerender } = await draw(form(boat()), { api: fakeApi({ change }) })
    const user = userEvent.setup()
    await user.clear(input('Ten'))
    await user.type(input('Ten'), 'Sao Hôm')
    rerender(form(boat({ GhiChu: 'đổi ở nơi khác' }, { version: 'v2' })))
    expect(screen.getByText(/vừa đổi ở nơi khác/)).toBeDefined()
    expect(input('GhiChu')).toHaveProperty('value', '')
    await user.keyboard('{Control>}{Enter}{/Control}')
    await waitFor(() => expect(change).toHaveBeenCalledWith('boats', 'b1', { version: 'v1', values: { Ten: 'Sao Hôm' } }))
  })

  it('leaves the status to its own panel', async () => {
    await draw(form(boat()))
    expect(screen.queryByLabelText('TinhTrang (vi)')).toBeNull()
  })

  it('keeps what was typed when the node refuses, with its words beside the field', async () => {
    const change = vi.fn(() => Promise.reject(new Problem('invalid', 422, 'Chưa lưu được: có trường cần sửa.', [{ location: 'values.Ten', message: 'Tên này đã có.' }])))
    await draw(form(boat()), { api: fakeApi({ change }) })
    const user = userEvent.setup()
    await user.type(input('Ten'), ' 2{Control>}{Enter}{/Control}')
    await screen.findByText('Chưa lưu được: có trường cần sửa.')
    expect(screen.getAllByText(/Tên này đã có/).length).toBe(2)
    expect(input('Ten')).toHaveProperty('value', 'Sao Mai 2')
    expect(screen.getByText(/vẫn còn nguyên/)).toBeDefined()
  })

  it('says what to do when the node does not answer', async () => {
    const change = vi.fn(() => Promise.reject(new TypeError('fetch failed')))
    await draw(form(boat()), { api: fakeApi({ change }), language: 'en' })
    const user = userEvent.setup()
    await user.type(screen.getByRole('textbox', { name: 'Ten (en)' }), '2{Control>}{Enter}{/Control}')
    expect(await screen.findByText(/does not answer/)).toBeDefined()
  })

  it('does not save nothing', async () => {
    const change = vi.fn(() => Promise.resolve(boat()))
    await draw(form(boat()), { api: fakeApi({ change }) })
    await userEvent.click(screen.getByRole('button', { name: 'Lưu' }))
    expect(screen.getByText('Chưa có gì thay đổi để lưu.')).toBeDefined()
    expect(change).not.toHaveBeenCalled()
  })
})
