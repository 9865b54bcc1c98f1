import { describe, expect, it } from 'vitest'
import { age, officeMonth, parseDate, parseDateTime, showDate, showDateTime, showMoment, showMonth } from './time'

describe('showing', () => {
  it('shows moments in office time whatever the browser zone', () => {
    expect(showMoment(Date.UTC(2026, 10, 23, 9, 30))).toBe('23/11/2026 16:30')
    expect(showMoment(Date.UTC(2026, 11, 31, 17, 0))).toBe('01/01/2027 00:00')
    expect(showDateTime('2026-11-23T09:30:00.123Z')).toBe('23/11/2026 16:30')
  })

  it('shows dates without shifting them', () => {
    expect(showDate('2026-11-03')).toBe('03/11/2026')
    expect(showDate('không nhớ ngày')).toBe('không nhớ ngày')
  })

  it('takes the month of the office, not of UTC', () => {
    expect(officeMonth(Date.UTC(2026, 9, 31, 18))).toBe('2026-11')
    expect(showMonth('2026-11')).toBe('11/2026')
  })
})

describe('reading', () => {
  it.each([
    ['23/11/2026', '2026-11-23'],
    [' 3-1-2026 ', '2026-01-03'],
    ['23.11.2026', '2026-11-23'],
    ['23112026', '2026-11-23'],
    ['29/02/2028', '2028-02-29'],
  ])('reads %s', (typed, iso) => expect(parseDate(typed)).toBe(iso))

  it.each(['29/02/2026', '31/04/2026', '11/23/2026', '2026', '23/11', '23/11/26', '00/01/2026', 'mai', ''])(
    'refuses %s instead of guessing',
    (typed) => expect(parseDate(typed)).toBeNull(),
  )

  it('reads moments in office time', () => {
    expect(parseDateTime('23/11/2026 16:30')).toBe('2026-11-23T09:30:00Z')
    expect(parseDateTime('01/01/2027 6h05')).toBe('2026-12-31T23:05:00Z')
    expect(parseDateTime('23/11/2026')).toBeNull()
    expect(parseDateTime('23/11/2026 24:00')).toBeNull()
  })

  it('reads back what it shows', () => {
    for (const iso of ['2026-11-23T09:30:00Z', '2024-02-29T16:59:00Z', '2026-12-31T17:00:00Z'])
      expect(parseDateTime(showDateTime(iso))).toBe(iso)
  })
})

it('tells ages in the largest whole unit', () => {
  const now = Date.UTC(2026, 10, 23)
  expect(age(now + 5000, now)).toEqual({ unit: 'now', count: 0 })
  expect(age(now - 59 * 60_000, now)).toEqual({ unit: 'minutes', count: 59 })
  expect(age(now - 47 * 3_600_000, now)).toEqual({ unit: 'hours', count: 47 })
  expect(age(now - 49 * 3_600_000, now)).toEqual({ unit: 'days', count: 2 })
})
