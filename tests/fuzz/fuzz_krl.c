/* Key revocation lists, asked about a certificate and about a plain key. */
#include <stdlib.h>

#include "ssh/krl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[] = "a key", authority[] = "an authority";
	struct tl_krl_query query = {
		.key = {key, sizeof key - 1},
		.authority = {authority, sizeof authority - 1},
		.serial = 7,
		.key_id = "id",
	};
	struct tl_err err = TL_ERR_INIT;
	int certified = tl_krl_check(data, size, &query, &err), plain;

	query.authority.len = 0;
	plain = tl_krl_check(data, size, &query, &err);
	/* What takes a key back takes back what is certified of it. */
	if (plain != 0 && certified == 0)
		abort();
	if (!tl_krl_is(data, size) && (plain == 0 || certified == 0))
		abort();
	return 0;
}
