// A framed remark: plain, waiting (amber) or bad (red), always with words.
import type { ReactNode } from 'react'
import { Icon } from './icons'
import css from './note.module.css'

type Props = { tone: 'plain' | 'wait' | 'bad'; title?: ReactNode; alert?: boolean; children?: ReactNode }

export function Note({ tone, title, alert = false, children }: Props) {
  return (
    <div className={css.note} data-tone={tone} role={alert ? 'alert' : undefined}>
      <Icon name={tone === 'plain' ? 'info' : 'warning'} size={16} />
      <div className={css.body}>
        {title !== undefined && <strong>{title}</strong>}
        {children}
      </div>
    </div>
  )
}
