/* What a person may paste: a token that is taken has an https address and a secret of the right form. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	tl_auto(tl_enrol_token) struct tl_enrol_token token = {.url = ""};
	struct tl_err err = TL_ERR_INIT;

	if (tl_enrol_token_parse((const char *)data, size, &token, &err) == 0 &&
	    (!tl_relay_url_is_valid(token.url) || strlen(token.secret) != TL_ENROL_SECRET_LEN ||
	     strlen(token.ca_sha256) != TL_SHA256_HEX - 1))
		abort();
	return 0;
}
