// Vietnamese first, English by a switch. Words of the pack (labels of fields,
// codes, figures) come from the node in both languages; only the page's own words are here.
import i18next from 'i18next'
import { initReactI18next, useTranslation } from 'react-i18next'
import type { Label } from '../api/types'
import { en } from './en'
import { vi } from './vi'

export const languages = ['vi', 'en'] as const
export type Language = (typeof languages)[number]

declare module 'i18next' {
  interface CustomTypeOptions {
    resources: { translation: typeof vi }
  }
}

const storageKey = 'vungxa.language'

function rememberedLanguage(): Language {
  return localStorage.getItem(storageKey) === 'en' ? 'en' : 'vi'
}

export function currentLanguage(): Language {
  return i18next.language === 'en' ? 'en' : 'vi'
}

export async function startI18n(language: Language = rememberedLanguage()): Promise<void> {
  await i18next.use(initReactI18next).init({
    lng: language,
    resources: { vi: { translation: vi }, en: { translation: en } },
    // A missing English text shows Vietnamese, never a bare key. The unit test keeps both sets equal.
    fallbackLng: 'vi',
    interpolation: { escapeValue: false },
    react: { useSuspense: false },
  })
  document.documentElement.lang = language
}

export async function setLanguage(language: Language): Promise<void> {
  localStorage.setItem(storageKey, language)
  document.documentElement.lang = language
  await i18next.changeLanguage(language)
}

/** The pack's label in the language; Vietnamese where a pack has no English. */
export function pick(label: Label, language: Language): string {
  return label[language] === '' ? label.vi : label[language]
}

/** The words of the page (`t`), of the pack (`label`), and the language. */
export function useWords() {
  const { t, i18n } = useTranslation()
  const language: Language = i18n.language === 'en' ? 'en' : 'vi'
  return { t, language, label: (label: Label) => pick(label, language) }
}

export type Translate = ReturnType<typeof useWords>['t']
