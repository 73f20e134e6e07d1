#include "desk/desk.h"

void tl_desk_clear(struct tl_desk *desk)
{
	tl_wipe(&desk->vault, sizeof desk->vault);
	free(desk->ca_pem);
	free(desk->ssh_host_key);
	free(desk->intake_program);
	tl_key_free(desk->authority);
	tl_key_free(desk->token_key);
	tl_key_free(desk->ssh_ca);
	tl_blobs_close(desk->blobs);
	tl_broker_free(desk->broker);
	tl_terminals_free(desk->terminals);
	tl_presence_free(desk->presence);
	tl_throttle_free(desk->throttle);
}
