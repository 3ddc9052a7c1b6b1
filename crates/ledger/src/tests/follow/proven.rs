//! What the follower proves.

use super::*;

on_both_databases! {
    async fn every_position_is_proven_over_restarts_in_the_middle_of_tiles(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let accounts = pair(&node).await;
        let small = checkpoint_of(&node, head(&node).await).await.unwrap();
        transfers(&node, &accounts, 200).await;
        everything_is_proven(&world, &node).await;
        node.stop().await;

        let node = world.node().await;
        transfers(&node, &accounts, 150).await;
        let middle = checkpoint_of(&node, head(&node).await).await.unwrap();
        transfers(&node, &accounts, 250).await;
        everything_is_proven(&world, &node).await;
        let size = head(&node).await;
        assert!(size > 600, "{size}");

        // Older logs prove what they hold, whether somebody signed them or not.
        let leaves = leaves(&node.db).await;
        for size in [small.size, 255, 256, 257, middle.size, 512, 513] {
            for position in [1, 2, size / 2, size - 1, size] {
                let proof = inclusion(&node, position, size).await.unwrap();
                let root = {
                    let mut tree = bursar_transparency::Tree::new();
                    let log = &leaves[..usize::try_from(size).unwrap()];
                    log.iter().for_each(|leaf| tree.append(*leaf, |_, _| {}).unwrap());
                    tree.root()
                };
                let leaf = leaves[usize::try_from(position - 1).unwrap()];
                let path = hashes(&proof.path);
                assert_eq!(verify_inclusion(&leaf, number(position - 1), number(size), &path, &root), Ok(()));
            }
        }
        let (old, new) = (world.trust(), checkpoint_of(&node, size).await.unwrap());
        let (old, new) = (check_checkpoint(&small, &old).unwrap(), check_checkpoint(&new, &world.trust()).unwrap());
        let proof = consistency(&node, small.size, 0).await.unwrap();
        assert_eq!(proof.new_size, new.size as i64);
        check_consistency(&old, &new, &proof.path).unwrap();
        assert!(verify_consistency(old.size, &new.root, new.size, &new.root, &hashes(&proof.path)).is_err());
        node.stop().await;
    }

    async fn what_the_log_does_not_have_is_told_by_its_field(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        pair(&node).await;
        let newest = checkpoint_of(&node, head(&node).await).await.unwrap();
        let field = |status: Status| {
            assert_eq!((reason(&status), status.code()), ("INVALID_FIELD", tonic::Code::InvalidArgument));
            let violations = bursar_service::error::violations_of(&status);
            violations.first().unwrap().field.clone()
        };
        for (position, size, expected) in [
            (0, 0, "position"),
            (-1, 0, "position"),
            (1, -1, "size"),
            (newest.size + 1, 0, "position"),
            (3, 2, "position"),
            (1, newest.size + 1, "size"),
            (i64::MAX, i64::MAX, "size"),
        ] {
            assert_eq!(field(inclusion(&node, position, size).await.unwrap_err()), expected);
        }
        for (old, new, expected) in [
            (0, 0, "old_size"),
            (1, -1, "new_size"),
            (newest.size + 1, 0, "old_size"),
            (3, 2, "old_size"),
            (1, newest.size + 1, "new_size"),
        ] {
            assert_eq!(field(consistency(&node, old, new).await.unwrap_err()), expected);
        }
        assert_eq!(field(checkpoint_of(&node, -1).await.unwrap_err()), "at_least_size");
        // Who waits for more than there is gives up with the deadline.
        let late = bursar_service::Deadline::after(Duration::from_millis(50));
        let refused = late.scope(checkpoint_of(&node, newest.size + 1)).await.unwrap_err();
        assert_eq!(reason(&refused), "DEADLINE_EXCEEDED");
        node.stop().await;
    }

    async fn the_invariants_are_told_by_name(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let accounts = pair(&node).await;
        transfers(&node, &accounts, 20).await;
        let size = head(&node).await;
        checkpoint_of(&node, size).await.unwrap();
        let told = invariants(&node).await;
        let names: Vec<&str> = told.invariants.iter().map(|invariant| invariant.name.as_str()).collect();
        assert_eq!(names[..4], ["journal_chain", "journal_outcomes", "merkle_log", "sum_zero"]);
        assert!(told.invariants.iter().all(|invariant| invariant.holds && !invariant.description.is_empty()));
        assert!(told.verified_position >= size, "{told:?}");
        assert!(told.checked_position > 0 && told.check_time.is_some(), "{told:?}");
        // Nothing newer than a minute is looked for again.
        assert_eq!(invariants(&node).await.check_time, told.check_time);
        node.stop().await;
    }

    async fn the_row_of_a_position_is_found_by_halving(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let accounts = pair(&node).await;
        transfers(&node, &accounts, 100).await;
        let size = head(&node).await;
        node.handle.projected(size).await.unwrap();
        for position in -1..=size + 3 {
            let row = node.db.read(|tx| Box::pin(journal::holding(tx, shard(), position)));
            let row = row.await.map_err(|error: DbError| error.to_string()).unwrap();
            let holds = row.is_some_and(|row| (row.first_position..=row.last_position()).contains(&position));
            assert_eq!(holds, (1..=size).contains(&position), "position {position}");
        }
        node.stop().await;
    }
}
