// The few pictures of the page, drawn in the text's colour. Each stands beside words, never alone.
const shapes = {
  search: 'M7 12a5 5 0 1 1 0-10 5 5 0 0 1 0 10Zm3.6-1.4L14 14',
  plus: 'M8 2.5v11M2.5 8h11',
  warning: 'M8 2 1.5 13.5h13L8 2Zm0 4.5v3.2m0 1.8v.3',
  conflict: 'M8 14V9L3.5 4.500M8 9l4.5-4.500M3 8V4h4M13 8V4H9',
  here: 'M2 3h12v8H2zM5.5 14h5',
  office: 'M2 14V6l6-4 6 4v8zM6.5 14v-4h3v4',
  province: 'M1.5 8.5 5 12l4-5M7.5 11l1 1L14.5 5',
  linked: 'M2 8h12M11 5l3 3-3 3M5 5 2 8l3 3',
  unlinked: 'M2 8h3.5M10.5 8H14M6.5 5l3 6',
  cut: 'M4 4l8 8M12 4l-8 8',
  info: 'M8 14A6 6 0 1 1 8 2a6 6 0 0 1 0 12Zm0-7v4m0-6.2v.3',
  up: 'M4 10l4-4 4 4',
  down: 'M4 6l4 4 4-4',
  left: 'M10 4 6 8l4 4',
  right: 'M6 4l4 4-4 4',
  person: 'M8 8a3 3 0 1 0 0-6 3 3 0 0 0 0 6Zm-5.5 6c.5-3 2.5-4 5.5-4s5 1 5.5 4',
  edit: 'M3 13l.7-3L11 2.7 13.3 5 6 12.3 3 13Z',
  locked: 'M4 7.500h8v6H4zM5.500 7.500V5a2.500 2.500 0 0 1 5 0v2.500',
  unlocked: 'M4 7.500h8v6H4zM5.500 7.500V4.500a2.500 2.500 0 0 1 4.800-1',
  trash: 'M3 4.500h10M6.500 4.500V3h3v1.500M4.500 4.500l.6 9h5.800l.6-9',
  history: 'M2.500 8a5.500 5.500 0 1 0 1.800-4M2.500 2.500V5H5M8 5v3.200l2 1.300',
  inbox: 'M2 9.500 4 3h8l2 6.500V13H2zM2 9.500h3.500l1 1.500h3l1-1.500H14',
  clock: 'M8 14A6 6 0 1 1 8 2a6 6 0 0 1 0 12ZM8 4.500V8l2.5 1.5',
} as const

export type IconName = keyof typeof shapes

export function Icon({ name, size = 14 }: { name: IconName; size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 16 16" fill="none" stroke="currentColor" strokeWidth="1.6" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true" focusable="false">
      <path d={shapes[name]} />
    </svg>
  )
}
