// SPDX-License-Identifier: GPL-2.0-only
/*
 * mdev_recovery: a vendor-neutral recovery shim between vfio core and a parent
 * PCI driver. This file owns the module: class, mdev driver and workqueue.
 */
#include <linux/mdev.h>
#include <linux/module.h>
#include <linux/rcupdate.h>

#include "device.h"
#include "group.h"

static int __init mdr_init(void)
{
	int ret;

	mdr_workqueue = alloc_workqueue("mdev_recovery",
					WQ_UNBOUND | WQ_HIGHPRI | WQ_FREEZABLE,
					0);
	if (!mdr_workqueue)
		return -ENOMEM;

	/* host callbacks wait for it, also while the system goes to sleep */
	ret = -ENOMEM;
	mdr_zap_workqueue = alloc_workqueue("mdev_recovery_zap",
					    WQ_UNBOUND | WQ_HIGHPRI | WQ_MEM_RECLAIM,
					    0);
	if (!mdr_zap_workqueue)
		goto err_destroy_workqueue;

	ret = class_register(&mdr_class);
	if (ret)
		goto err_destroy_zap_workqueue;

	ret = mdev_register_driver(&mdr_mdev_driver);
	if (ret)
		goto err_unregister_class;

	return 0;

err_unregister_class:
	class_unregister(&mdr_class);
err_destroy_zap_workqueue:
	destroy_workqueue(mdr_zap_workqueue);
err_destroy_workqueue:
	destroy_workqueue(mdr_workqueue);
	return ret;
}

static void __exit mdr_exit(void)
{
	mdev_unregister_driver(&mdr_mdev_driver);
	class_unregister(&mdr_class);
	destroy_workqueue(mdr_zap_workqueue);
	destroy_workqueue(mdr_workqueue);
	/*
	 * A fault gives up its lock and its file, which have kept this module, before it returns.
	 * Wait for those that were preempted in between.
	 */
	synchronize_rcu_tasks();
}

module_init(mdr_init);
module_exit(mdr_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The mdev-recovery authors");
MODULE_VERSION(MDR_VERSION);
MODULE_DESCRIPTION("Mediated PCI functions whose users survive error recovery");
