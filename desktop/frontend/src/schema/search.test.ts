import { expect, it } from 'vitest'
import { boats, schema } from '../testing/pack'
import { activeFields, filterKind, firstState, isNarrowed, toSearch, type ListState } from './search'

const state = (more: Partial<ListState> = {}): ListState => ({ ...firstState(boats), ...more })

it('asks for the first page in the order of the pack', () => {
  expect(toSearch(boats, state())).toEqual({ sort: { field: 'NgayDen', desc: true }, limit: 50 })
})

it('picks the kind of filter by type and list', () => {
  const kinds = boats.fields.filter((f) => f.filter).map((f) => [f.name, filterKind(schema, f)])
  expect(kinds).toEqual([
    ['NgayDen', 'range'],
    ['GioRoi', 'range'],
    ['BenDau', 'choice'],
    ['Hang', 'text'],
    ['CoDen', 'bool'],
  ])
})

it('turns typed conditions into filters with values of the field', () => {
  const conditions = { NgayDen: { from: '1/11/2026', to: '30/11/2026' }, BenDau: { eq: '01' }, CoDen: { eq: 'false' }, Hang: { empty: true, eq: 'gao' } }
  expect(toSearch(boats, state({ conditions })).filters).toEqual([
    { field: 'NgayDen', op: 'from', value: '2026-11-01' },
    { field: 'NgayDen', op: 'to', value: '2026-11-30' },
    { field: 'BenDau', op: 'eq', value: '01' },
    { field: 'Hang', op: 'empty' },
    { field: 'CoDen', op: 'eq', value: false },
  ])
})

it('means whole office days where a field holds moments', () => {
  const conditions = { GioRoi: { from: '23/11/2026', to: '23/11/2026' } }
  expect(toSearch(boats, state({ conditions })).filters).toEqual([
    { field: 'GioRoi', op: 'from', value: '2026-11-22T17:00:00Z' },
    { field: 'GioRoi', op: 'to', value: '2026-11-23T16:59:59.999Z' },
  ])
})

it('waits with a half-typed day instead of asking for something else', () => {
  expect(toSearch(boats, state({ conditions: { NgayDen: { from: '23/11' } } }))).not.toHaveProperty('filters')
})

it('sends text, quick filters, tick and the cursor of the page that is shown', () => {
  const asked = toSearch(boats, state({ text: ' ban pho ', quick: ['conflicted', 'overdue'], tick: 'office', cursors: ['c2', 'c3'] }))
  expect(asked).toMatchObject({ text: 'ban pho', conflicted: true, overdue: true, tick: 'office', cursor: 'c3' })
  expect(asked).not.toHaveProperty('flagged')
})

it('knows whether a list is narrowed, and by which fields', () => {
  expect(isNarrowed(state())).toBe(false)
  expect(isNarrowed(state({ quick: ['flagged'] }))).toBe(true)
  expect(activeFields(state({ conditions: { Hang: {}, BenDau: { eq: '' }, NgayDen: { to: '1' }, CoDen: { empty: true } } }))).toEqual(['NgayDen', 'CoDen'])
})
