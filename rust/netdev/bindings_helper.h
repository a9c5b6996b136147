/* SPDX-License-Identifier: GPL-2.0 */
/* What the crate `netdev` uses of C: headers, and the wrappers of helpers.c. */
#include <linux/etherdevice.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>

/* The length of a `struct virtio_net_hdr_v1`. */
#define NETDEV_HELPER_HEADER_LEN 12

void netdev_helper_random_address(u8 *address);

void *netdev_helper_private(struct net_device *dev);
void netdev_helper_prepare(struct net_device *dev, const struct net_device_ops *ops,
			   unsigned int mtu, netdev_features_t offloads);
void netdev_helper_set_parent(struct net_device *dev, struct device *parent);
void netdev_helper_copy_name(const struct net_device *dev, char *name, size_t size);
bool netdev_helper_is_running(const struct net_device *dev);
void netdev_helper_update_features(struct net_device *dev);

void netdev_helper_napi_add(struct net_device *dev, struct napi_struct *napi,
			    int (*poll)(struct napi_struct *napi, int budget));
void netdev_helper_napi_remove(struct napi_struct *napi);
void netdev_helper_napi_schedule(struct napi_struct *napi);
void netdev_helper_napi_receive(struct napi_struct *napi, struct sk_buff *skb);

void netdev_helper_start_queues(struct net_device *dev);
void netdev_helper_stop_queue(struct net_device *dev, u16 queue);
void netdev_helper_wake_queue(struct net_device *dev, u16 queue);
void netdev_helper_sent(struct net_device *dev, u16 queue, unsigned int bytes);
void netdev_helper_completed(struct net_device *dev, u16 queue, unsigned int bytes,
			     struct sk_buff_head *list);
void netdev_helper_synchronize_transmit(struct net_device *dev);

void netdev_helper_count_transmitted(struct net_device *dev, unsigned int bytes);
void netdev_helper_count_transmit_drop(struct net_device *dev);
void netdev_helper_count_received(struct net_device *dev, unsigned int bytes);
void netdev_helper_count_receive_drop(struct net_device *dev);

struct sk_buff *netdev_helper_skb_alloc(struct net_device *dev, unsigned int length);
void netdev_helper_skb_free(struct sk_buff *skb);
void netdev_helper_skb_consume(struct sk_buff *skb);
void *netdev_helper_skb_piece(struct sk_buff *skb, unsigned int offset, unsigned int *length);
int netdev_helper_skb_accept(struct sk_buff *skb, struct net_device *dev, const u8 *header);
int netdev_helper_skb_describe(const struct sk_buff *skb, bool has_data_valid, u8 *header);
void *netdev_helper_skb_pull(struct sk_buff *skb, unsigned int length);
u16 netdev_helper_skb_queue(const struct sk_buff *skb);
u16 netdev_helper_skb_pick_queue(struct sk_buff *skb, u16 count);
bool netdev_helper_skb_detach(struct sk_buff *skb);
void netdev_helper_skb_set_protocol(struct sk_buff *skb, struct net_device *dev);

void netdev_helper_list_init(struct sk_buff_head *list);
void netdev_helper_list_purge(struct sk_buff_head *list);
u32 netdev_helper_list_len(const struct sk_buff_head *list);
