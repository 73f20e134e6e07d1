#include <stdio.h>
#include <towline/clock.h>
#include <towline/str.h>

#include "store/store.h"
#include "swarm.h"

static int insert_host(struct tl_store *store, const struct agent *agent, size_t number,
		       struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf public_text = TL_BUF_INIT(64);
	tl_auto(tl_buf) struct tl_buf line = TL_BUF_INIT(256);
	uint8_t public[TL_ED25519_PUBLIC_LEN];
	char key_id[TL_KEY_ID_LEN + 1], name[32];

	tl_key_public(agent->key, public);
	tl_base64url_encode(&public_text, public, sizeof(public));
	tl_key_ssh_line(agent->key, "bench", &line);
	tl_key_id(agent->key, key_id);
	snprintf(name, sizeof(name), "bench-%05zu", number);
	return tl_store_exec(
		store,
		"INSERT INTO host (id, organisation_id, name, public_key, key_id, ssh_host_key,"
		" agent_version, enrolled_ms) SELECT $1, MIN(o.id), $2, $3, $4, $5, 'bench', $6"
		" FROM organisation o",
		TL_ARGS(TL_ARG_TEXT(agent->host), TL_ARG_TEXT(name),
			TL_ARG_TEXT(tl_buf_str(&public_text)), TL_ARG_TEXT(key_id),
			TL_ARG_TEXT(tl_buf_str(&line)),
			TL_ARG_INT(tl_clock_wall_ms(tl_clock_system()))),
		NULL, err);
}

static int insert_all(struct tl_store *store, void *arg, struct tl_err *err)
{
	struct swarm *swarm = arg;
	int r = tl_store_exec(store,
			      "INSERT INTO organisation (id, name, created_ms)"
			      " SELECT $1, 'bench', $2"
			      " WHERE NOT EXISTS (SELECT 1 FROM organisation)",
			      TL_ARGS(TL_ARG_TEXT(tl_id_new(tl_clock_system()).text),
				      TL_ARG_INT(tl_clock_wall_ms(tl_clock_system()))),
			      NULL, err);

	for (size_t i = 0; r == 0 && i < swarm->count; i++)
		r = insert_host(store, &swarm->agents[i], i, err);
	return r;
}

int swarm_enrol(struct swarm *swarm, const char *store_url, struct tl_err *err)
{
	tl_auto(tl_store) struct tl_store *store = NULL;
	int r = tl_store_open(store_url, &store, err);

	for (size_t i = 0; r == 0 && i < swarm->count; i++) {
		struct tl_id id = tl_id_new(tl_clock_system());

		snprintf(swarm->agents[i].host, sizeof(swarm->agents[i].host), "%s", id.text);
		r = tl_key_generate(&swarm->agents[i].key, err);
	}
	return r ? r : tl_store_transaction(store, insert_all, swarm, err);
}
