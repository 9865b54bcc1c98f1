import { act, render, renderHook, screen } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { describe, expect, it, vi } from 'vitest'
import { gather } from './live'
import { Link, navigate, parsePath, paths, useLeaveGuard, useRoute } from './router'
import { shortcutFor, useShortcuts } from './shortcuts'

describe('addresses', () => {
  it('are read back as they are written, whatever a collection or record is called', () => {
    const id = 'a/b ?#'
    expect(parsePath(paths.list('hồ sơ'))).toEqual({ page: 'list', collection: 'hồ sơ' })
    expect(parsePath(paths.new('new'))).toEqual({ page: 'new', collection: 'new' })
    expect(parsePath(paths.record('x', id))).toEqual({ page: 'record', collection: 'x', id, editing: false })
    expect(parsePath(paths.edit('x', id))).toEqual({ page: 'record', collection: 'x', id, editing: true })
    expect(parsePath('/')).toEqual({ page: 'home' })
    expect(parsePath(paths.kpi)).toEqual({ page: 'kpi' })
    expect(parsePath(paths.inbox)).toEqual({ page: 'inbox' })
  })

  it.each(['/x', '/c', '/c/x/y', '/c/x/r', '/c/x/r/1/no', '/c/x/r/1/edit/more', '/kpi/x'])('%s is no page', (path) =>
    expect(parsePath(path)).toEqual({ page: 'unknown' }),
  )

  it('survive a broken escape', () => expect(parsePath('/c/%E0%A4%A')).toEqual({ page: 'list', collection: '%E0%A4%A' }))
})

describe('leaving a page with unsaved typing', () => {
  it('asks first, stays, and goes when told', async () => {
    navigate('/c/x/new')
    const { result } = renderHook(() => ({ route: useRoute(), guard: useLeaveGuard(true) }))
    render(<Link to="/kpi">kpi</Link>)
    await userEvent.click(screen.getByText('kpi'))
    expect(result.current.guard.asking).toBe(true)
    expect(location.pathname).toBe('/c/x/new')
    act(() => result.current.guard.stay())
    expect(result.current.guard.asking).toBe(false)
    await userEvent.click(screen.getByText('kpi'))
    act(() => result.current.guard.leave())
    expect(location.pathname).toBe('/kpi')
    expect(result.current.route).toEqual({ page: 'kpi' })
  })

  it('asks when the tab is closed, and only then', () => {
    const { rerender } = renderHook(({ dirty }) => useLeaveGuard(dirty), { initialProps: { dirty: true } })
    const close = () => !window.dispatchEvent(new Event('beforeunload', { cancelable: true }))
    expect(close()).toBe(true)
    rerender({ dirty: false })
    expect(close()).toBe(false)
  })
})

describe('shortcuts', () => {
  it('rest while someone types, behind a dialog, and with a modifier', async () => {
    const run = vi.fn()
    renderHook(() => useShortcuts({ n: run }))
    const { unmount } = render(<input aria-label="i" />)
    await userEvent.keyboard('n')
    expect(run).toHaveBeenCalledTimes(1)
    await userEvent.type(screen.getByLabelText('i'), 'n')
    await userEvent.keyboard('{Control>}n{/Control}')
    unmount()
    render(<div role="dialog" aria-modal="true" />)
    await userEvent.keyboard('n')
    expect(run).toHaveBeenCalledTimes(1)
  })

  it('leave keys alone that a Vietnamese input method is composing with', () => {
    const event = new KeyboardEvent('keydown', { key: 'n', isComposing: true })
    expect(shortcutFor(event, { n: () => undefined })).toBeUndefined()
  })
})

it('reads a burst of changes once', () => {
  vi.useFakeTimers()
  const run = vi.fn()
  const { ask } = gather(run)
  for (let i = 0; i < 50; i++) ask(['records'])
  ask(['node'])
  expect(run).not.toHaveBeenCalled()
  vi.runAllTimers()
  expect(run).toHaveBeenCalledExactlyOnceWith(['records', 'node'])
  vi.useRealTimers()
})
