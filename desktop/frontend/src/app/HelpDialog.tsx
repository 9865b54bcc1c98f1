// The shortcuts and what the ticks mean.
import { Modal } from '@mantine/core'
import { useWords } from '../i18n'
import { TickMark, ticks } from '../ui/Tick'
import css from './shell.module.css'

const keys = [
  ['/', 'search'],
  ['n', 'new'],
  ['e', 'edit'],
  ['h', 'history'],
  ['Delete', 'remove'],
  ['i', 'inbox'],
  ['Ctrl+Enter', 'save'],
  ['Esc', 'cancel'],
  ['j  k  ↓  ↑', 'rows'],
  ['Enter', 'open'],
  ['[  ]', 'pages'],
  ['1  2  3', 'sections'],
  ['?', 'help'],
] as const

const hints = { here: 'tick.hereHint', office: 'tick.officeHint', province: 'tick.provinceHint' } as const

export function HelpDialog({ opened, close }: { opened: boolean; close: () => void }) {
  const { t } = useWords()
  return (
    <Modal opened={opened} onClose={close} title={t('help.title')} size="lg" closeButtonProps={{ 'aria-label': t('app.close') }}>
      <dl className={css.help}>
        {keys.map(([key, name]) => (
          <div key={name}>
            <dt>
              {key.split('  ').map((one) => (
                <kbd key={one}>{one}</kbd>
              ))}
            </dt>
            <dd>{t(`help.${name}`)}</dd>
          </div>
        ))}
      </dl>
      <p className={css.helpNote}>{t('help.notTyping')}</p>
      <h3 className={css.helpHead}>{t('help.ticks')}</h3>
      <dl className={css.help}>
        {ticks.map((tick) => (
          <div key={tick}>
            <dt>
              <TickMark tick={tick} />
            </dt>
            <dd>{t(hints[tick])}</dd>
          </div>
        ))}
      </dl>
    </Modal>
  )
}
