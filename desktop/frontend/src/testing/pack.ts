// A pack that no product has: whatever a page can do with it, it does from the schema alone.
import type { Collection, Field, Kpis, NodeState, Rec, Schema, Values } from '../api/types'

const both = (vi: string, en: string) => ({ vi, en })

export function field(name: string, type: Field['type'], more: Partial<Field> = {}): Field {
  return {
    name,
    type,
    label: both(`${name} (vi)`, `${name} (en)`),
    list: null,
    required: false,
    generated: '',
    review: false,
    filter: false,
    sortable: false,
    source: 'sổ bến',
    confidence: 'S',
    hint: null,
    max: 0,
    ...more,
  }
}

/** Boats at a landing: every type of field, a bound and an open code list, ordered statuses. */
export const boats: Collection = {
  id: 'boats',
  label: both('Thuyền', 'Boats'),
  title: 'Ten',
  code: 'So',
  status: 'TinhTrang',
  columns: ['So', 'Ten', 'NgayDen', 'TinhTrang'],
  sort: { field: 'NgayDen', desc: true },
  source: 'sổ bến',
  confidence: 'S',
  fields: [
    field('So', 'text', { generated: 'temporary', sortable: true }),
    field('Ten', 'text', { required: true, max: 10, sortable: true }),
    field('NgayDen', 'date', { filter: true, sortable: true }),
    field('GioRoi', 'datetime', { filter: true }),
    field('BenDau', 'code', { list: 'Ben', filter: true }),
    field('Hang', 'code', { list: 'Hang', filter: true, confidence: '?' }),
    field('SoNguoi', 'integer'),
    field('CoDen', 'bool', { filter: true }),
    field('DoTheo', 'list', { max: 5 }),
    field('GhiChu', 'multiline'),
    field('TinhTrang', 'code', { list: 'TinhTrang' }),
  ],
  sections: [{ label: both('Con thuyền', 'The boat'), fields: ['So', 'Ten', 'NgayDen', 'GioRoi', 'BenDau', 'Hang', 'SoNguoi', 'CoDen'] }],
  statuses: { next: { den: ['do', 'roi'], do: ['roi'] } },
}

export const schema: Schema = {
  pack: { id: 'test', version: '1', label: both('Thử', 'Test') },
  collections: [boats],
  code_lists: {
    Ben: {
      label: both('Bến', 'Landings'),
      source: 'bảng bến',
      confidence: 'S',
      open: false,
      items: [
        { code: '01', label: both('Bến Thượng', 'Upper landing') },
        { code: '02', label: both('Bến Hạ', 'Lower landing') },
      ],
    },
    Hang: { label: both('Hàng', 'Cargo'), source: null, confidence: '?', open: true, items: [{ code: 'gao', label: both('Gạo', 'Rice') }] },
    TinhTrang: {
      label: both('Tình trạng', 'State'),
      source: null,
      confidence: null,
      open: false,
      items: [
        { code: 'den', label: both('Đã đến', 'Arrived') },
        { code: 'do', label: both('Đang đỗ', 'Moored') },
        { code: 'roi', label: both('Đã rời', 'Left') },
      ],
    },
  },
}

export function boat(values: Values = {}, more: Partial<Rec> = {}): Rec {
  const empty = Object.fromEntries(boats.fields.map(({ name }) => [name, null]))
  return {
    id: 'b1',
    collection: 'boats',
    version: 'v1',
    title: 'Sao Mai',
    values: { ...empty, So: 'TẠM-AAAA', Ten: 'Sao Mai', NgayDen: '2026-11-03', TinhTrang: 'den', ...values },
    flags: [],
    conflicts: [],
    tick: 'here',
    carried: [],
    created_ms: Date.UTC(2026, 10, 3),
    updated_ms: Date.UTC(2026, 10, 3),
    updated_by: 'Lò Thị Hòa',
    cells: {},
    ...more,
  }
}

export const nodeState: NodeState = {
  name: 'Máy thử',
  role: 'laptop',
  device: 'd1',
  scope: 'c/03646',
  commune: { code: '03646', name: 'Bản Phố' },
  demo: false,
  read_only: false,
  pack: { id: 'test', version: '1' },
  now_ms: Date.UTC(2026, 10, 23, 3),
  peers: [],
  unsent: { count: 0, oldest_ms: null, carried: [] },
  protection: { class: 'password', says: { vi: 'Mật khẩu mở kho.', en: 'A password opens the store.' }, damaged: false, rotating: false },
  damage: { count: 0, read_only: false, since_ms: null },
  checking: { left: 0, total: 0 },
  views: [],
}

export const kpis: Kpis = {
  state: 'ready',
  position: 1,
  unread: 0,
  as_of_ms: Date.UTC(2026, 10, 23, 3),
  month: '2026-11',
  months: ['2026-11'],
  sets: [],
  coverage: { complete: true, devices: [] },
}
