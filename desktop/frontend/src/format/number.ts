// Numbers by Vietnamese or English habit. The locale is always named: a machine
// whose own locale is "C" must not decide, or fail.
import type { Language } from '../i18n'

const locales: Record<Language, string> = { vi: 'vi-VN', en: 'en-GB' }

export function showCount(n: number, language: Language): string {
  return new Intl.NumberFormat(locales[language], { maximumFractionDigits: 0 }).format(n)
}

/** A share 0..1 as a percentage with at most one decimal; never rounded up to 100 %. */
export function showShare(share: number, language: Language): string {
  const held = share < 1 && share > 0.9995 ? 0.999 : share
  return new Intl.NumberFormat(locales[language], { style: 'percent', maximumFractionDigits: 1 }).format(held)
}
