// Everyday work of a controller written in Go, by client-go: typed clients that speak protobuf, informers, server-side
// apply, leader election, dynamic and metadata clients. It says what works and stops at what does not.
//
// What it makes is in one namespace or begins with "client-go", and is gone at the end.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"reflect"
	"sort"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/tools/pager"
	watchtools "k8s.io/client-go/tools/watch"
	"k8s.io/client-go/util/retry"
)

const (
	protobuf = "application/vnd.kubernetes.protobuf"
	deadline = 60 * time.Second
)

// namespace is where all of it happens.
var namespace string

// stage is what every part works with.
type stage struct {
	config *rest.Config
	typed  kubernetes.Interface
}

func main() {
	log.SetFlags(0)
	kubeconfig := flag.String("kubeconfig", os.Getenv("KUBECONFIG"), "the cluster")
	server := flag.String("server", "", "its address, where the kubeconfig says another one")
	flag.StringVar(&namespace, "namespace", "default", "where to work")
	flag.Parse()
	config, err := clientcmd.BuildConfigFromFlags(*server, *kubeconfig)
	if err != nil {
		log.Fatal(err)
	}
	config.QPS = -1
	inProtobuf := rest.CopyConfig(config)
	inProtobuf.ContentType = protobuf
	inProtobuf.AcceptContentTypes = protobuf + ",application/json"
	typed, err := kubernetes.NewForConfig(inProtobuf)
	if err != nil {
		log.Fatal(err)
	}
	it := stage{config: config, typed: typed}
	parts := []struct {
		name string
		play func(context.Context, stage) error
	}{
		{"what is sent in protobuf is what is read", inProtobufAndBack},
		{"an informer sees what comes, changes and goes", informs},
		{"managers apply, and are told of conflicts", applies},
		{"a stale update is retried", retries},
		{"patches of each type", patches},
		{"lists in pages, and a watch from their end", pages},
		{"rights and tokens are asked for", asks},
		{"deletions with preconditions, and of many at once", deletes},
		{"a definition and its objects by the dynamic client", defines},
		{"metadata alone", metadataAlone},
		{"a leader is elected and steps down", elects},
	}
	for _, part := range parts {
		ctx, cancel := context.WithTimeout(context.Background(), deadline)
		err := part.play(ctx, it)
		cancel()
		if err != nil {
			log.Fatalf("%s: %v", part.name, err)
		}
		fmt.Println(part.name)
	}
}

func named(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: namespace, Labels: map[string]string{"of": "client-go"}}
}

func unscoped(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Labels: map[string]string{"of": "client-go"}}
}

// creates is what the typed clients of all kinds have.
type creates[T any] interface {
	Create(context.Context, T, metav1.CreateOptions) (T, error)
	Get(context.Context, string, metav1.GetOptions) (T, error)
	Delete(context.Context, string, metav1.DeleteOptions) error
}

// roundTrip creates, reads and deletes an object; `same` empties what the server adds.
func roundTrip[T metav1.Object](ctx context.Context, client creates[T], object T) error {
	kind := reflect.TypeOf(object).Elem().Name()
	created, err := client.Create(ctx, object, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("create %s: %w", kind, err)
	}
	read, err := client.Get(ctx, created.GetName(), metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("get %s: %w", kind, err)
	}
	if !reflect.DeepEqual(created, read) {
		return fmt.Errorf("%s: created is %+v, read is %+v", kind, created, read)
	}
	if read.GetUID() == "" || len(read.GetManagedFields()) != 1 {
		return fmt.Errorf("%s: uid %q, managed fields %+v", kind, read.GetUID(), read.GetManagedFields())
	}
	read.SetUID("")
	read.SetResourceVersion("")
	read.SetGeneration(0)
	read.SetCreationTimestamp(metav1.Time{})
	read.SetManagedFields(nil)
	// A workspace of kcp names itself on everything.
	if annotations := read.GetAnnotations(); len(annotations) == 1 && annotations["kcp.io/cluster"] != "" {
		read.SetAnnotations(nil)
	}
	if !reflect.DeepEqual(object, read) {
		return fmt.Errorf("%s: sent is %+v, read is %+v", kind, object, read)
	}
	if err := client.Delete(ctx, created.GetName(), metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("delete %s: %w", kind, err)
	}
	return nil
}

func inProtobufAndBack(ctx context.Context, it stage) error {
	yes, seconds := true, int32(15)
	now := metav1.NewMicroTime(time.Unix(1_700_000_000, 123_456_000).UTC().Local())
	second := metav1.NewTime(time.Unix(1_700_000_000, 0))
	rules := []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get"}, ResourceNames: []string{"a"}}}
	subjects := []rbacv1.Subject{{Kind: "User", APIGroup: rbacv1.GroupName, Name: "jane"}}
	regarding := corev1.ObjectReference{Kind: "Secret", APIVersion: "v1", Namespace: namespace, Name: "a", UID: "1"}
	holder := "a"
	core, rbac := it.typed.CoreV1(), it.typed.RbacV1()
	return errors.Join(
		roundTrip(ctx, core.ConfigMaps(namespace), &corev1.ConfigMap{ObjectMeta: named("a"), Data: map[string]string{"a": "1"}, BinaryData: map[string][]byte{"b": {0, 255}}, Immutable: &yes}),
		roundTrip(ctx, core.Secrets(namespace), &corev1.Secret{ObjectMeta: named("a"), Type: corev1.SecretTypeOpaque, Data: map[string][]byte{"a": []byte("secret"), "b": {0, 255}}}),
		roundTrip(ctx, core.ServiceAccounts(namespace), &corev1.ServiceAccount{ObjectMeta: named("a"), AutomountServiceAccountToken: &yes, ImagePullSecrets: []corev1.LocalObjectReference{{Name: "b"}}}),
		roundTrip(ctx, core.Events(namespace), &corev1.Event{ObjectMeta: named("a"), InvolvedObject: regarding, Reason: "Tried", Message: "it was tried", Source: corev1.EventSource{Component: "client-go"}, FirstTimestamp: second, LastTimestamp: second, Count: 2, Type: "Normal"}),
		roundTrip(ctx, it.typed.EventsV1().Events(namespace), &eventsv1.Event{ObjectMeta: named("b"), EventTime: now, ReportingController: "example.com/client-go", ReportingInstance: "client-go-1", Action: "Try", Reason: "Tried", Regarding: regarding, Note: "it was tried", Type: "Normal"}),
		roundTrip(ctx, it.typed.CoordinationV1().Leases(namespace), &coordinationv1.Lease{ObjectMeta: named("a"), Spec: coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &seconds, AcquireTime: &now, RenewTime: &now}}),
		roundTrip(ctx, rbac.Roles(namespace), &rbacv1.Role{ObjectMeta: named("a"), Rules: rules}),
		roundTrip(ctx, rbac.RoleBindings(namespace), &rbacv1.RoleBinding{ObjectMeta: named("a"), Subjects: subjects, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "a"}}),
		roundTrip(ctx, rbac.ClusterRoles(), &rbacv1.ClusterRole{ObjectMeta: unscoped("client-go-a"), Rules: rules}),
		roundTrip(ctx, rbac.ClusterRoleBindings(), &rbacv1.ClusterRoleBinding{ObjectMeta: unscoped("client-go-a"), Subjects: subjects, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "client-go-a"}}),
	)
}

// informs waits for each word of an informer before it does what the next one is about.
func informs(ctx context.Context, it stage) error {
	said := make(chan string, 16)
	factory := informers.NewSharedInformerFactoryWithOptions(it.typed, 0, informers.WithNamespace(namespace),
		informers.WithTweakListOptions(func(options *metav1.ListOptions) { options.LabelSelector = "of=client-go" }))
	informer := factory.Core().V1().ConfigMaps().Informer()
	name := func(object any) string {
		key, _ := cache.DeletionHandlingMetaNamespaceKeyFunc(object)
		return key
	}
	if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { said <- "added " + name(object) },
		UpdateFunc: func(_, object any) { said <- "changed to " + object.(*corev1.ConfigMap).Data["a"] },
		DeleteFunc: func(object any) { said <- "deleted " + name(object) },
	}); err != nil {
		return err
	}
	expect := func(wanted string) error {
		select {
		case word := <-said:
			if word != wanted {
				return fmt.Errorf("it says %q, not %q", word, wanted)
			}
			return nil
		case <-ctx.Done():
			return fmt.Errorf("it does not say %q", wanted)
		}
	}
	maps := it.typed.CoreV1().ConfigMaps(namespace)
	if _, err := maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: named("before")}, metav1.CreateOptions{}); err != nil {
		return err
	}
	stop := make(chan struct{})
	factory.Start(stop)
	defer factory.Shutdown()
	defer close(stop)
	if !cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
		return errors.New("it does not sync")
	}
	if err := expect("added " + namespace + "/before"); err != nil {
		return err
	}
	live, err := maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: named("live"), Data: map[string]string{"a": "1"}}, metav1.CreateOptions{})
	if err := errors.Join(err, expect("added "+namespace+"/live")); err != nil {
		return err
	}
	live.Data["a"] = "2"
	_, err = maps.Update(ctx, live, metav1.UpdateOptions{})
	if err := errors.Join(err, expect("changed to 2")); err != nil {
		return err
	}
	err = maps.Delete(ctx, "live", metav1.DeleteOptions{})
	if err := errors.Join(err, expect("deleted "+namespace+"/live")); err != nil {
		return err
	}
	// What leaves the selector is gone.
	_, err = maps.Patch(ctx, "before", types.MergePatchType, []byte(`{"metadata":{"labels":null}}`), metav1.PatchOptions{})
	if err := errors.Join(err, expect("deleted "+namespace+"/before")); err != nil {
		return err
	}
	return maps.Delete(ctx, "before", metav1.DeleteOptions{})
}

func applies(ctx context.Context, it stage) error {
	maps := it.typed.CoreV1().ConfigMaps(namespace)
	wanted := func(data map[string]string) *applycorev1.ConfigMapApplyConfiguration {
		return applycorev1.ConfigMap("applied", namespace).WithData(data)
	}
	if _, err := maps.Apply(ctx, wanted(map[string]string{"a": "1", "b": "1"}), metav1.ApplyOptions{FieldManager: "one"}); err != nil {
		return err
	}
	_, err := maps.Apply(ctx, wanted(map[string]string{"a": "2"}), metav1.ApplyOptions{FieldManager: "two"})
	if !apierrors.IsConflict(err) || !apierrors.HasStatusCause(err, metav1.CauseTypeFieldManagerConflict) {
		return fmt.Errorf("no conflict of managers: %v", err)
	}
	if _, err := maps.Apply(ctx, wanted(map[string]string{"a": "2"}), metav1.ApplyOptions{FieldManager: "two", Force: true}); err != nil {
		return err
	}
	// What its only manager no longer applies goes; what another one has stays.
	found, err := maps.Apply(ctx, wanted(map[string]string{}), metav1.ApplyOptions{FieldManager: "one"})
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(found.Data, map[string]string{"a": "2"}) {
		return fmt.Errorf("it holds %v", found.Data)
	}
	// What a manager has is what it can go on from.
	mine, err := applycorev1.ExtractConfigMap(found, "two")
	if err != nil || !reflect.DeepEqual(mine.Data, map[string]string{"a": "2"}) {
		return fmt.Errorf("the manager has %+v: %w", mine, err)
	}
	return maps.Delete(ctx, "applied", metav1.DeleteOptions{})
}

func retries(ctx context.Context, it stage) error {
	secrets := it.typed.CoreV1().Secrets(namespace)
	stale, err := secrets.Create(ctx, &corev1.Secret{ObjectMeta: named("contended"), StringData: map[string]string{"a": "1"}}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	if string(stale.Data["a"]) != "1" || len(stale.StringData) > 0 {
		return fmt.Errorf("it holds %v and %v", stale.Data, stale.StringData)
	}
	fresh := stale.DeepCopy()
	fresh.Data["a"] = []byte("2")
	if _, err := secrets.Update(ctx, fresh, metav1.UpdateOptions{}); err != nil {
		return err
	}
	tries := 0
	if err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		tries++
		stale.Data["b"] = []byte("3")
		if _, err := secrets.Update(ctx, stale, metav1.UpdateOptions{}); err != nil {
			stale, _ = secrets.Get(ctx, "contended", metav1.GetOptions{})
			return err
		}
		return nil
	}); err != nil {
		return err
	}
	if tries != 2 {
		return fmt.Errorf("%d tries", tries)
	}
	return secrets.Delete(ctx, "contended", metav1.DeleteOptions{})
}

func patches(ctx context.Context, it stage) error {
	accounts := it.typed.CoreV1().ServiceAccounts(namespace)
	if _, err := accounts.Create(ctx, &corev1.ServiceAccount{ObjectMeta: named("patched"), Secrets: []corev1.ObjectReference{{Name: "a"}}}, metav1.CreateOptions{}); err != nil {
		return err
	}
	for _, patch := range []struct {
		kind types.PatchType
		text string
	}{
		{types.StrategicMergePatchType, `{"secrets":[{"name":"b"}]}`},
		{types.MergePatchType, `{"metadata":{"annotations":{"c":"1"}}}`},
		{types.JSONPatchType, `[{"op":"test","path":"/metadata/annotations/c","value":"1"},{"op":"replace","path":"/metadata/annotations/c","value":"2"}]`},
	} {
		if _, err := accounts.Patch(ctx, "patched", patch.kind, []byte(patch.text), metav1.PatchOptions{}); err != nil {
			return fmt.Errorf("%s: %w", patch.kind, err)
		}
	}
	found, err := accounts.Get(ctx, "patched", metav1.GetOptions{})
	if err != nil {
		return err
	}
	var names []string
	for _, secret := range found.Secrets {
		names = append(names, secret.Name)
	}
	sort.Strings(names)
	if !reflect.DeepEqual(names, []string{"a", "b"}) || found.Annotations["c"] != "2" {
		return fmt.Errorf("it is %+v", found)
	}
	return accounts.Delete(ctx, "patched", metav1.DeleteOptions{})
}

func pages(ctx context.Context, it stage) error {
	maps := it.typed.CoreV1().ConfigMaps(namespace)
	for index := range 25 {
		if _, err := maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: named(fmt.Sprintf("page-%02d", index))}, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	count, asked := 0, 0
	by := pager.New(func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
		asked++
		return maps.List(ctx, options)
	})
	by.PageSize = 10
	options := metav1.ListOptions{LabelSelector: "of=client-go"}
	list, paged, err := by.List(ctx, options)
	if err != nil {
		return err
	}
	if err := meta.EachListItem(list, func(runtime.Object) error { count++; return nil }); err != nil {
		return err
	}
	if count != 25 || asked != 3 || !paged {
		return fmt.Errorf("%d objects of %d pages", count, asked)
	}
	accessor, err := meta.ListAccessor(list)
	if err != nil {
		return err
	}
	// Two changes after the list, the second of which is waited for.
	for _, name := range []string{"page-03", "page-04"} {
		if err := maps.Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
			return err
		}
	}
	watcher := &cache.ListWatch{WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
		options.LabelSelector = "of=client-go"
		return maps.Watch(ctx, options)
	}}
	var seen []string
	_, err = watchtools.Until(ctx, accessor.GetResourceVersion(), watcher, func(event watch.Event) (bool, error) {
		object, err := meta.Accessor(event.Object)
		if err != nil {
			return false, err
		}
		seen = append(seen, string(event.Type)+" "+object.GetName())
		return object.GetName() == "page-04", nil
	})
	if err != nil || !reflect.DeepEqual(seen, []string{"DELETED page-03", "DELETED page-04"}) {
		return fmt.Errorf("it shows %v: %w", seen, err)
	}
	return maps.DeleteCollection(ctx, metav1.DeleteOptions{}, options)
}

func asks(ctx context.Context, it stage) error {
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: namespace, Verb: "delete", Resource: "secrets"},
	}}
	answer, err := it.typed.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil || !answer.Status.Allowed {
		return fmt.Errorf("it answers %+v: %w", answer, err)
	}
	accounts := it.typed.CoreV1().ServiceAccounts(namespace)
	if _, err := accounts.Create(ctx, &corev1.ServiceAccount{ObjectMeta: named("asking")}, metav1.CreateOptions{}); err != nil {
		return err
	}
	seconds := int64(600)
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}
	token, err := accounts.CreateToken(ctx, "asking", request, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	as := rest.AnonymousClientConfig(it.config)
	as.BearerToken = token.Status.Token
	account, err := kubernetes.NewForConfig(as)
	if err != nil {
		return err
	}
	me, err := account.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil || me.Status.UserInfo.Username != "system:serviceaccount:"+namespace+":asking" {
		return fmt.Errorf("it is %+v: %w", me, err)
	}
	if _, err := account.CoreV1().Secrets(namespace).List(ctx, metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		return fmt.Errorf("not forbidden: %v", err)
	}
	return accounts.Delete(ctx, "asking", metav1.DeleteOptions{})
}

func deletes(ctx context.Context, it stage) error {
	secrets := it.typed.CoreV1().Secrets(namespace)
	created, err := secrets.Create(ctx, &corev1.Secret{ObjectMeta: named("owner")}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	other := types.UID("another")
	err = secrets.Delete(ctx, "owner", metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &other}})
	if !apierrors.IsConflict(err) {
		return fmt.Errorf("another one is deleted: %v", err)
	}
	owned := named("owned")
	owned.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Secret", Name: "owner", UID: created.UID}}
	if _, err := secrets.Create(ctx, &corev1.Secret{ObjectMeta: owned}, metav1.CreateOptions{}); err != nil {
		return err
	}
	// What was owned stays, without its owner, and goes with the collection.
	orphan := metav1.DeletePropagationOrphan
	if err := secrets.Delete(ctx, "owner", metav1.DeleteOptions{PropagationPolicy: &orphan, Preconditions: &metav1.Preconditions{UID: &created.UID}}); err != nil {
		return err
	}
	if err := secrets.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "of=client-go"}); err != nil {
		return err
	}
	_, err = secrets.Get(ctx, "owned", metav1.GetOptions{})
	if !apierrors.IsNotFound(err) {
		return fmt.Errorf("it is still there: %v", err)
	}
	return nil
}

func defines(ctx context.Context, it stage) error {
	client, err := dynamic.NewForConfig(it.config)
	if err != nil {
		return err
	}
	definitions := client.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	definition := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": map[string]any{"name": "parcels.client-go.example.com"},
		"spec": map[string]any{
			"group": "client-go.example.com", "scope": "Namespaced",
			"names": map[string]any{"plural": "parcels", "singular": "parcel", "kind": "Parcel", "listKind": "ParcelList"},
			"versions": []any{map[string]any{
				"name": "v1", "served": true, "storage": true, "subresources": map[string]any{"status": map[string]any{}},
				"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object", "properties": map[string]any{
					"spec": map[string]any{"type": "object", "properties": map[string]any{
						"grams": map[string]any{"type": "integer", "default": int64(1), "minimum": int64(1)}}},
					"status": map[string]any{"type": "object", "properties": map[string]any{
						"sent": map[string]any{"type": "boolean"}}},
				}}},
			}},
		},
	}}
	if _, err := definitions.Create(ctx, definition, metav1.CreateOptions{}); err != nil {
		return err
	}
	established := func(event watch.Event) (bool, error) {
		conditions, _, _ := unstructured.NestedSlice(event.Object.(*unstructured.Unstructured).Object, "status", "conditions")
		for _, condition := range conditions {
			if it, ok := condition.(map[string]any); ok && it["type"] == "Established" && it["status"] == "True" {
				return true, nil
			}
		}
		return false, nil
	}
	lists := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			return definitions.List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return definitions.Watch(ctx, options)
		},
	}
	if _, err := watchtools.UntilWithSync(ctx, lists, &unstructured.Unstructured{}, nil, func(event watch.Event) (bool, error) {
		if event.Type == watch.Deleted || event.Object.(*unstructured.Unstructured).GetName() != "parcels.client-go.example.com" {
			return false, nil
		}
		return established(event)
	}); err != nil {
		return fmt.Errorf("it is not established: %w", err)
	}
	// What discovery tells, which cannot be watched, leads from the kind to the resource; it may follow a moment later.
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(it.typed.Discovery()))
	var mapping *meta.RESTMapping
	err = wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(context.Context) (bool, error) {
		found, err := mapper.RESTMapping(schema.GroupKind{Group: "client-go.example.com", Kind: "Parcel"}, "v1")
		if meta.IsNoMatchError(err) {
			mapper.Reset()
			return false, nil
		}
		mapping = found
		return err == nil, err
	})
	if err != nil || mapping.Scope.Name() != meta.RESTScopeNameNamespace {
		return fmt.Errorf("the mapping is %+v: %w", mapping, err)
	}
	parcels := client.Resource(mapping.Resource).Namespace(namespace)
	parcel := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "client-go.example.com/v1", "kind": "Parcel",
		"metadata": map[string]any{"name": "a"}, "spec": map[string]any{}, "status": map[string]any{"sent": true},
	}}
	created, err := parcels.Create(ctx, parcel, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	grams, _, _ := unstructured.NestedInt64(created.Object, "spec", "grams")
	if _, told, _ := unstructured.NestedBool(created.Object, "status", "sent"); grams != 1 || told {
		return fmt.Errorf("it is %v", created.Object)
	}
	if err := unstructured.SetNestedField(created.Object, true, "status", "sent"); err != nil {
		return err
	}
	if _, err := parcels.UpdateStatus(ctx, created, metav1.UpdateOptions{}); err != nil {
		return err
	}
	parcel.SetName("b")
	if err := unstructured.SetNestedField(parcel.Object, int64(0), "spec", "grams"); err != nil {
		return err
	}
	if _, err := parcels.Create(ctx, parcel, metav1.CreateOptions{}); !apierrors.IsInvalid(err) {
		return fmt.Errorf("it is not invalid: %v", err)
	}
	return definitions.Delete(ctx, "parcels.client-go.example.com", metav1.DeleteOptions{})
}

func metadataAlone(ctx context.Context, it stage) error {
	secrets := it.typed.CoreV1().Secrets(namespace)
	if _, err := secrets.Create(ctx, &corev1.Secret{ObjectMeta: named("hidden"), StringData: map[string]string{"a": "1"}}, metav1.CreateOptions{}); err != nil {
		return err
	}
	client, err := metadata.NewForConfig(it.config)
	if err != nil {
		return err
	}
	resource := corev1.SchemeGroupVersion.WithResource("secrets")
	factory := metadatainformer.NewFilteredSharedInformerFactory(client, 0, namespace, func(options *metav1.ListOptions) {
		options.LabelSelector = "of=client-go"
	})
	informer := factory.ForResource(resource)
	stop := make(chan struct{})
	go informer.Informer().Run(stop)
	defer close(stop)
	if !cache.WaitForCacheSync(ctx.Done(), informer.Informer().HasSynced) {
		return errors.New("it does not sync")
	}
	found, err := informer.Lister().ByNamespace(namespace).Get("hidden")
	if err != nil {
		return err
	}
	if partial, ok := found.(*metav1.PartialObjectMetadata); !ok || partial.Labels["of"] != "client-go" {
		return fmt.Errorf("it is %+v", found)
	}
	return secrets.Delete(ctx, "hidden", metav1.DeleteOptions{})
}

func elects(ctx context.Context, it stage) error {
	lock := &resourcelock.LeaseLock{
		LeaseMeta: metav1.ObjectMeta{Name: "leader", Namespace: namespace}, Client: it.typed.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{Identity: "a"},
	}
	leases := it.typed.CoordinationV1().Leases(namespace)
	seen, err := leases.Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=leader"})
	if err != nil {
		return err
	}
	defer seen.Stop()
	led := make(chan struct{})
	running, stop := context.WithCancel(ctx)
	defer stop()
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: lock, LeaseDuration: 15 * time.Second, RenewDeadline: 10 * time.Second, RetryPeriod: 2 * time.Second,
		ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) {},
			OnStoppedLeading: func() { close(led) },
		},
	})
	if err != nil {
		return err
	}
	go elector.Run(running)
	// Taken, and renewed at once. A renewal that is under way while the lease is released could undo that.
	for _, wanted := range []watch.EventType{watch.Added, watch.Modified} {
		select {
		case event := <-seen.ResultChan():
			if event.Type != wanted {
				return fmt.Errorf("the lease is %s, not %s", event.Type, wanted)
			}
		case <-ctx.Done():
			return errors.New("nobody leads")
		}
	}
	stop()
	<-led
	lease, err := leases.Get(ctx, "leader", metav1.GetOptions{})
	if err != nil {
		return err
	}
	if holder := lease.Spec.HolderIdentity; holder != nil && *holder != "" {
		return fmt.Errorf("%q holds it still", *holder)
	}
	return leases.Delete(ctx, "leader", metav1.DeleteOptions{})
}
