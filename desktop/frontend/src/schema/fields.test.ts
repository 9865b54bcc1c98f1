import { describe, expect, it } from 'vitest'
import { boat, boats, field, schema } from '../testing/pack'
import { findField, fromTyped, isConflicted, isTemporary, layout, listOf, nextStatuses, toTyped } from './fields'

function of(name: string) {
  const found = findField(boats, name)
  if (found === undefined) throw new Error(`no field ${name}`)
  return found
}

const read = (name: string, typed: string) => fromTyped(of(name), listOf(schema, of(name)), typed)

describe('reading what was typed', () => {
  it.each([
    ['Ten', 'Sao Mai', 'Sao Mai'],
    ['NgayDen', '3/11/2026', '2026-11-03'],
    ['GioRoi', '03/11/2026 06:00', '2026-11-02T23:00:00Z'],
    ['BenDau', '02', '02'],
    ['Hang', 'muối', 'muối'],
    ['SoNguoi', ' 12 ', 12],
    ['SoNguoi', '-3', -3],
    ['CoDen', 'false', false],
    ['DoTheo', 'gạo\n\n muối ', ['gạo', 'muối']],
    ['GhiChu', '  ', null],
    ['NgayDen', '', null],
  ])('%s: %j is %j', (name, typed, value) => expect(read(name, typed)).toEqual({ value }))

  it.each([
    ['Ten', '  ', 'required'],
    ['NgayDen', '31/04/2026', 'noSuchDay'],
    ['NgayDen', 'hôm qua', 'badDate'],
    ['GioRoi', '31/02/2026 08:00', 'noSuchDay'],
    ['GioRoi', '03/11/2026', 'badDateTime'],
    ['BenDau', '03', 'notInList'],
    ['SoNguoi', '12,5', 'badInteger'],
    ['SoNguoi', '99999999999999999999', 'badInteger'],
  ])('%s: %j is refused: %s', (name, typed, kind) => expect(read(name, typed).complaint).toEqual({ kind }))

  it('counts characters, not bytes, and items of a list one by one', () => {
    expect(read('Ten', 'Đường ngõ')).toHaveProperty('value')
    expect(read('Ten', 'Đường ngõ xa').complaint).toEqual({ kind: 'tooLong', max: 10, length: 12 })
    expect(read('DoTheo', 'gạo\nmuối hạt').complaint).toEqual({ kind: 'tooLong', max: 5, length: 8 })
  })

  it('lets the node give a required code', () => {
    const code = field('So', 'text', { generated: 'temporary', required: true })
    expect(fromTyped(code, null, '')).toEqual({ value: null })
  })
})

it('shows stored values as they are typed, and reads them back', () => {
  const values = { Ten: 'Sao Mai', NgayDen: '2026-11-03', GioRoi: '2026-11-02T23:00:00Z', BenDau: '01', SoNguoi: 7, CoDen: true, DoTheo: ['a', 'b'] }
  for (const [name, value] of Object.entries(values)) expect(read(name, toTyped(of(name), value)).value, name).toEqual(value)
  expect(toTyped(of('NgayDen'), null)).toBe('')
})

it('marks only codes that a device gave for the time being', () => {
  expect(isTemporary(of('So'), 'TẠM-AAAA')).toBe(true)
  expect(isTemporary(of('So'), 'TẠM-AAAA'.normalize('NFD'))).toBe(true)
  expect(isTemporary(of('So'), 'G09.20-20260609-0092637')).toBe(false)
  expect(isTemporary(of('Ten'), 'TẠM-AAAA')).toBe(false)
})

it('lays out every field once, those of no section last', () => {
  const sections = layout(boats)
  expect(sections.map(({ label }) => label?.vi)).toEqual(['Con thuyền', undefined])
  expect(sections.flatMap(({ fields }) => fields.map(({ name }) => name)).sort()).toEqual(boats.fields.map(({ name }) => name).sort())
})

it('offers the statuses that the pack allows, or any where it says none', () => {
  expect(nextStatuses(boats, 'den')).toEqual(['do', 'roi'])
  expect(nextStatuses(boats, 'roi')).toEqual([])
  expect(nextStatuses({ ...boats, statuses: { next: null } }, 'den')).toBeNull()
})

it('sees a conflict named by the record or by its cell', () => {
  expect(isConflicted(boat({}, { conflicts: ['Ten'] }), 'Ten')).toBe(true)
  expect(isConflicted(boat({}, { cells: { Ten: { conflict: true, siblings: [] } } }), 'Ten')).toBe(true)
  expect(isConflicted(boat(), 'Ten')).toBe(false)
})
