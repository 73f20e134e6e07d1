#include "helper/pseudonyms.h"

#include <towline/crypto.h>

#include "redact/identity_key.h"
#include "redact/identity_map.h"

int tl_pseudonyms_open(const char *state_dir, int *ret_map_fd, struct tl_err *err)
{
	uint8_t key[TL_IDENTITY_KEY_LEN];
	int rc = tl_identity_key_load(state_dir, key, err);

	tl_wipe(key, sizeof(key));
	return rc == 0 ? tl_identity_map_open(state_dir, ret_map_fd, err) : rc;
}
