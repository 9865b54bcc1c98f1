// Vietnamese or English, each named in itself.
import { languages, setLanguage, useWords } from '../i18n'
import css from './language.module.css'

const names = { vi: 'Tiếng Việt', en: 'English' } as const

export function LanguageSwitch() {
  const { t, language } = useWords()
  return (
    <div className={css.switch} role="group" aria-label={t('app.language')}>
      {languages.map((code) => (
        <button key={code} type="button" lang={code} aria-pressed={code === language} aria-label={names[code]} title={names[code]} onClick={() => void setLanguage(code)}>
          {code.toUpperCase()}
        </button>
      ))}
    </div>
  )
}
