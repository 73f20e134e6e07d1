/* The lists of authorities and of what was revoked, against a certificate whose authority is listed. */
#include <stdlib.h>
#include <string.h>

#include "ssh/certificate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char name[] = "erin";
	char *names[] = {name, NULL}, key[] = "AAAA", authority[] = "BBBB";
	struct tl_certificate certificate = {
		.key_text = key,
		.authority_text = authority,
		.serial = 7,
		.key_id = "id",
		.principals = {.items = names, .count = 1},
		.valid_before_s = 10,
	};
	tl_free char *text = calloc(1, size + 1);
	struct tl_certificate_rules rules = {.authorities = "ssh-ed25519 BBBB\n",
					     .revoked = text,
					     .now_s = 5};
	struct tl_err err = TL_ERR_INIT;

	if (!text)
		return 0;
	memcpy(text, data, size);
	if (tl_certificate_judge(&certificate, &rules, &err) == 0 && strstr(text, "\nserial 7\n"))
		abort();
	rules = (struct tl_certificate_rules){.authorities = text, .revoked = "", .now_s = 5};
	if (tl_certificate_judge(&certificate, &rules, &err) == 0 && !strstr(text, "BBBB"))
		abort();
	return 0;
}
