/* Rosters: whatever is read, each login and each key is one engineer's. */
#include <stdint.h>
#include <stdlib.h>
#include <towline/roster.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	tl_auto(tl_roster) struct tl_roster roster = {.version = 0};
	struct tl_err err = TL_ERR_INIT;

	if (tl_roster_read((const char *)data, size, &roster, &err) != 0)
		return 0;
	for (size_t i = 0; i < roster.count; i++) {
		const struct tl_roster_engineer *engineer = &roster.engineers[i];

		if (tl_roster_of_login(&roster, engineer->login) != engineer)
			abort();
		for (size_t k = 0; k < engineer->keys.count; k++)
			if (tl_roster_of_key(&roster, engineer->keys.items[k]) != engineer)
				abort();
	}
	return 0;
}
