/* Tokens under a fixed public key: nothing may verify, whatever the form. */
#include <stdint.h>
#include <stdlib.h>
#include <towline/jwt.h>
#include <towline/str.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* RFC 8032 §7.1, test 2: its private half signs nothing in the corpus. */
	static const char public_hex[] =
		"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
	tl_auto(tl_key) struct tl_key *key = NULL;
	tl_json *header = NULL, *claims = NULL, *verified = NULL;
	uint8_t public[TL_ED25519_PUBLIC_LEN];
	struct tl_err err = TL_ERR_INIT;

	if (tl_hex_decode(public_hex, public, sizeof public) ||
	    tl_key_from_public(public, &key, &err))
		abort();
	if (tl_jwt_verify(key, TL_JWT_ASSERTION, (const char *)data, size, &verified, &err) == 0)
		abort();
	if (tl_jwt_peek((const char *)data, size, &header, &claims, &err) == 0 &&
	    tl_jwt_check_times(claims, tl_clock_system(), &err) == 0 && !json_is_object(header))
		abort();
	return 0;
}
