/* A certificate's wire blob, read and judged. */
#include <stdlib.h>

#include "ssh/certificate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	tl_auto(tl_certificate) struct tl_certificate certificate = {.key_text = NULL};
	struct tl_certificate_rules rules = {.authorities = "",
					     .revoked = "",
					     .now_s = 1,
					     .address = "192.0.2.1"};
	struct tl_err err = TL_ERR_INIT;

	if (tl_certificate_read(data, size, &certificate, &err) < 0)
		return 0;
	if (!certificate.key_text || !certificate.authority_text ||
	    tl_certificate_judge(&certificate, &rules, &err) == 0)
		abort(); /* no authority is trusted */
	return 0;
}
