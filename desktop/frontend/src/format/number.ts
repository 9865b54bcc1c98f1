// Numbers by Vietnamese or English habit. The locale is always named: a machine
// whose own locale is "C" must not decide, or fail.
import type { Language } from '../i18n'

const locales: Record<Language, string> = { vi: 'vi-VN', en: 'en-GB' }

export function showCount(n: number, language: Language): string {
  return new Intl.NumberFormat(locales[language], { maximumFractionDigits: 0 }).format(n)
}

/** Bytes as people know sizes of files: units of 1024. */
export function showBytes(n: number, language: Language): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB']
  let at = 0
  for (; n >= 1024 && at < units.length - 1; at++) n /= 1024
  return `${new Intl.NumberFormat(locales[language], { maximumFractionDigits: n < 10 && at > 0 ? 1 : 0 }).format(n)} ${units[at]}`
}

/** A share 0..1 as a percentage with at most one decimal; never rounded up to 100 %. */
export function showShare(share: number, language: Language): string {
  const held = share < 1 && share > 0.9995 ? 0.999 : share
  return new Intl.NumberFormat(locales[language], { style: 'percent', maximumFractionDigits: 1 }).format(held)
}
