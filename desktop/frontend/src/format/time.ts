// Dates and moments as a Vietnamese office writes them: dd/mm/yyyy, office time.
//
// A date travels as "2026-11-23", a moment as UTC text or Unix milliseconds.
// Office time is +07:00 all year: the browser's own zone and clock decide nothing.

const officeOffsetMs = 7 * 3_600_000

const two = (n: number) => String(n).padStart(2, '0')
const four = (n: number) => String(n).padStart(4, '0')

type Parts = { day: number; month: number; year: number; hour: number; minute: number }

function officeParts(ms: number): Parts {
  const d = new Date(ms + officeOffsetMs)
  return {
    day: d.getUTCDate(),
    month: d.getUTCMonth() + 1,
    year: d.getUTCFullYear(),
    hour: d.getUTCHours(),
    minute: d.getUTCMinutes(),
  }
}

export function showMoment(ms: number): string {
  const p = officeParts(ms)
  return `${two(p.day)}/${two(p.month)}/${four(p.year)} ${two(p.hour)}:${two(p.minute)}`
}

export function showDay(ms: number): string {
  return showMoment(ms).slice(0, 10)
}

/** "2026-11" of the office's calendar. */
export function officeMonth(ms: number): string {
  const p = officeParts(ms)
  return `${four(p.year)}-${two(p.month)}`
}

/** "2026-11" as "11/2026". */
export function showMonth(month: string): string {
  const [year, m] = month.split('-')
  return `${m ?? ''}/${year ?? ''}`
}

/** Shows a stored date; text that is none is shown as it is, never guessed at. */
export function showDate(iso: string): string {
  const m = /^(\d{4})-(\d{2})-(\d{2})$/.exec(iso)
  return m === null ? iso : `${m[3] ?? ''}/${m[2] ?? ''}/${m[1] ?? ''}`
}

export function showDateTime(iso: string): string {
  const ms = Date.parse(iso)
  return Number.isNaN(ms) ? iso : showMoment(ms)
}

/** Milliseconds of a calendar day at 00:00 UTC, or null when there is no such day. */
function realDay(year: number, month: number, day: number): number | null {
  const ms = Date.UTC(year, month - 1, day)
  const d = new Date(ms)
  const same = d.getUTCFullYear() === year && d.getUTCMonth() === month - 1 && d.getUTCDate() === day
  return same && year >= 1000 ? ms : null
}

const dayPattern = /^(\d{1,2})[/.\- ](\d{1,2})[/.\- ](\d{4})$/
const denseDayPattern = /^(\d{2})(\d{2})(\d{4})$/

/** Reads what an officer types: 23/11/2026, 3-1-2026, 23112026. Null when it is no day. */
export function parseDate(text: string): string | null {
  const m = dayPattern.exec(text.trim()) ?? denseDayPattern.exec(text.trim())
  if (m === null) return null
  const ms = realDay(Number(m[3]), Number(m[2]), Number(m[1]))
  return ms === null ? null : new Date(ms).toISOString().slice(0, 10)
}

/** Whether text is written as a day, with or without an hour, that no calendar has: 31/02/2026. */
export function isNoDay(text: string): boolean {
  const day = text.trim().replace(/[ T]+\d{1,2}[:hg.]\d{2}$/i, '')
  return (dayPattern.test(day) || denseDayPattern.test(day)) && parseDate(day) === null
}

/** Reads "23/11/2026 16:30" in office time as UTC text. The hour is needed: it is never invented. */
export function parseDateTime(text: string): string | null {
  const m = /^(.+?)[ T]+(\d{1,2})[:hg.](\d{2})$/i.exec(text.trim())
  if (m === null) return null
  const date = parseDate(m[1] ?? '')
  const hour = Number(m[2])
  const minute = Number(m[3])
  if (date === null || hour > 23 || minute > 59) return null
  const ms = Date.parse(`${date}T00:00:00Z`) + (hour * 60 + minute) * 60_000 - officeOffsetMs
  return new Date(ms).toISOString().replace('.000Z', 'Z')
}

/** How long ago, in its largest whole unit. A moment ahead of the node's clock counts as now. */
export function age(fromMs: number, nowMs: number): { unit: 'now' | 'minutes' | 'hours' | 'days'; count: number } {
  const minutes = Math.floor((nowMs - fromMs) / 60_000)
  if (minutes < 1) return { unit: 'now', count: 0 }
  if (minutes < 60) return { unit: 'minutes', count: minutes }
  if (minutes < 48 * 60) return { unit: 'hours', count: Math.floor(minutes / 60) }
  return { unit: 'days', count: Math.floor(minutes / 1440) }
}
