/* The organisation's key for pseudonyms: 64 hexadecimal digits in "pseudonyms.key" of a state directory, mode
 * 0600. Equal keys on two hosts make equal pseudonyms: an organisation that compares bundles of several hosts
 * puts one file on all of them. Any thread. */
#ifndef TOWLINE_REDACT_IDENTITY_KEY_H
#define TOWLINE_REDACT_IDENTITY_KEY_H

#include <limits.h>

#include "redact/identity.h"

#define TL_PSEUDONYM_KEY_FILE "pseudonyms.key"

/* Reads the key; makes a random one when there is none. TL_EACCES when others can read it, TL_EINVAL when it
 * is no key. */
TL_MUST_CHECK int tl_identity_key_load(const char *state_dir,
				       uint8_t ret_key[static TL_IDENTITY_KEY_LEN],
				       struct tl_err *err);

#define TL_PSEUDONYM_STATE_DIR "/var/lib/towline-helper"
/* Where key and map of this process' user are: $TOWLINE_STATE, else the helper's state directory for root, else
 * $XDG_STATE_HOME/towline or ~/.local/state/towline. TL_ECONFIG when there is no home. */
TL_MUST_CHECK int tl_identity_state_dir(char ret_path[static PATH_MAX], struct tl_err *err);

#endif
