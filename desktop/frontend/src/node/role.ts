// The role of a node in words. A role that this page doesn't know is shown as it is.
import type { Translate } from '../i18n'

export function roleText(role: string, t: Translate): string {
  return role === 'box' || role === 'laptop' || role === 'province' ? t(`role.${role}`) : role
}
