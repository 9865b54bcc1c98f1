import { expect, it } from 'vitest'
import { boat, boats, schema } from '../testing/pack'
import { changedFields, openDraft, readChanges, readNew } from './draft'

it('sends only what was changed, and null for what was cleared', () => {
  const opened = openDraft(boats, boat({ SoNguoi: 4, GioRoi: '2026-11-03T01:02:03.456Z' }))
  const draft = { ...opened, Ten: 'Sao Hôm', SoNguoi: '' }
  expect(changedFields(opened, draft).sort()).toEqual(['SoNguoi', 'Ten'])
  expect(readChanges(schema, boats, opened, draft)).toEqual({ values: { Ten: 'Sao Hôm', SoNguoi: null }, complaints: {} })
})

it('does not judge what the form did not change: an old record may hold what is no longer allowed', () => {
  const opened = openDraft(boats, boat({ Ten: 'Một cái tên quá dài', BenDau: '99' }))
  expect(readChanges(schema, boats, opened, { ...opened, GhiChu: 'x' })).toEqual({ values: { GhiChu: 'x' }, complaints: {} })
})

it('leaves missing values of a new record out and names each field that is not right', () => {
  const empty = openDraft(boats, null)
  expect(readNew(schema, boats, { ...empty, Ten: 'Sao Mai', CoDen: 'false' })).toEqual({ values: { Ten: 'Sao Mai', CoDen: false }, complaints: {} })
  const { complaints } = readNew(schema, boats, { ...empty, NgayDen: 'hôm qua', SoNguoi: 'x' })
  expect(Object.keys(complaints).sort()).toEqual(['NgayDen', 'SoNguoi', 'Ten'])
})
