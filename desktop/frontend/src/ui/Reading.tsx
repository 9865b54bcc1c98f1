// Shown while the node on this machine answers for the first time. Words, no spinner: it takes milliseconds or fails.
import { useWords } from '../i18n'
import css from './reading.module.css'

export function Reading() {
  const { t } = useWords()
  return <p className={css.reading}>{t('app.reading')}</p>
}
